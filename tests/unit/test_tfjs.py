"""Models of TensorFlow.js: numbers across files, quantised ones, manifests alone; and broken ones."""

import json

import numpy as np
import pytest
from safetensors.numpy import save_file

from lineage.checkpoints.folders import models_in_folder
from lineage.checkpoints.read import open_model
from lineage.errors import UserError

DRAWN = np.random.default_rng(0)
TENSORS = {
    "dense/kernel": DRAWN.normal(size=(6, 4)).astype("<f4"),
    "dense/half": DRAWN.normal(size=(5,)).astype("<f2"),
    "dense/steps": np.array([3], "<i4"),
    "dense/bias": DRAWN.normal(size=(4,)).astype("<f4"),
}


def listed(name: str, values: np.ndarray) -> dict:
    found = {"name": name, "shape": list(values.shape), "dtype": values.dtype.name}
    if values.dtype == np.float16:
        found |= {"dtype": "float32", "quantization": {"dtype": "float16", "original_dtype": "float32"}}
    return found


def written(folder, *, cuts=(), whole=True, edit=lambda groups: None):
    """The tensors in files that are cut at these bytes; `whole`: with the model, or the manifest alone."""
    data = b"".join(values.tobytes() for values in TENSORS.values())
    ends = [0, *cuts, len(data)]
    paths = [f"numbers-{place}" for place in range(len(ends) - 1)]
    for path, start, end in zip(paths, ends, ends[1:], strict=False):
        (folder / path).write_bytes(data[start:end])
    groups = [{"paths": paths, "weights": [listed(name, values) for name, values in TENSORS.items()]}]
    edit(groups)
    model = {"format": "layers-model", "modelTopology": {"a": 1}, "weightsManifest": groups}
    (folder / "m.json").write_text(json.dumps(model if whole else groups))
    return folder / "m.json"


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("cuts", [(), (7,), (1, 2, 95, 100)])
def test_tensors_are_read_wherever_the_files_are_cut(tmp_path, whole, cuts):
    model = open_model(written(tmp_path, cuts=cuts, whole=whole))
    assert list(model.entries) == ["dense/kernel", "dense/half", "dense/bias"]
    assert list(model.left_out) == ["dense/steps"]
    for name in model.entries:
        assert np.array_equal(model.read(name), TENSORS[name].astype(np.float32))
    assert [path.name for path in models_in_folder(tmp_path).models] == ["m.json"]
    assert not models_in_folder(tmp_path).passed_over


@pytest.mark.parametrize("stored", ["uint8", "uint16"])
def test_quantised_tensors_are_their_scale_times_the_number_and_the_minimum(tmp_path, stored):
    numbers = np.arange(12, dtype=stored).reshape(3, 4)
    (tmp_path / "n.bin").write_bytes(numbers.tobytes())
    packed = {"dtype": stored, "scale": 0.25, "min": -1.5}
    weight = {"name": "w", "shape": [3, 4], "dtype": "float32", "quantization": packed}
    (tmp_path / "m.json").write_text(
        json.dumps({"weightsManifest": [{"paths": ["n.bin"], "weights": [weight]}]})
    )
    assert np.array_equal(open_model(tmp_path / "m.json").read("w"), numbers * 0.25 - 1.5)


def change(**given):
    return lambda groups: groups[0].update(given)


BROKEN = {
    "a file elsewhere": (change(paths=["../x"]), "lies outside of its folder"),
    "a missing file": (change(paths=["numbers-9"]), "found no such file"),
    "a file twice": (change(paths=["numbers-0", "numbers-0"]), "twice"),
    "too few numbers": (
        lambda groups: groups[0]["weights"].append(listed("x", np.ones(99))),
        "is of float64",
    ),
    "a huge tensor": (
        lambda groups: groups[0]["weights"][0].update(shape=[10**6, 10**6]),
        "more than the limit",
    ),
    "more than there is": (lambda groups: groups[0]["weights"][3].update(shape=[99]), "ends after the files"),
    "a negative length": (lambda groups: groups[0]["weights"][0].update(shape=[-2, -3]), "lengths of 0"),
    "texts": (lambda groups: groups[0]["weights"][0].update(dtype="string"), "is of string"),
    "no weights": (lambda groups: groups[0].pop("weights"), "without the paths and weights"),
    "no shape": (lambda groups: groups[0]["weights"][0].pop("shape"), "'shape'"),
    "weights of another kind": (change(weights=[1, 2]), "expected TensorFlow.js' list of weights"),
    "a quantisation of another kind": (
        lambda groups: groups[0]["weights"][0].update(quantization="x"),
        'quantization: expected an object with dtype, scale and min, got "x"',
    ),
    "nothing": (lambda groups: groups.clear(), "without a list of weights"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_model_is_one_line(tmp_path, kind):
    edit, said = BROKEN[kind]
    with pytest.raises(UserError, match=said) as caught:
        open_model(written(tmp_path, edit=edit))
    assert "\n" not in str(caught.value)


def test_numbers_that_belong_to_nothing_are_no_model(tmp_path):
    written(tmp_path)
    save_file({"w": TENSORS["dense/kernel"]}, tmp_path / "other.safetensors")
    (tmp_path / "stray").write_bytes(b"\1\2\3\4" * 9)
    found = models_in_folder(tmp_path)
    assert [path.name for path in found.models] == ["m.json", "other.safetensors"]
    assert [path.name for path in found.passed_over] == ["stray"]
