"""Weights and features that read back as written, and files that are not ours."""

import h5py
import numpy as np
import pytest
import torch
from limits import files_at_most

from lineage.errors import UserError
from lineage.storage.hdf5 import (
    Features,
    Weights,
    read_probe,
    write_features,
    write_probe,
    write_weights,
)


def state(seed: int = 0) -> dict[str, torch.Tensor]:
    torch.manual_seed(seed)
    net = torch.nn.Sequential(
        torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2), torch.nn.Linear(2, 3).double()
    )
    return net.state_dict()


def features(seed: int = 0) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {layer: torch.randn(4, d, generator=generator) for layer, d in {"b.1": 3, "a": 5}.items()}


@pytest.fixture
def weights_file(tmp_path):
    path = tmp_path / "weights.h5"
    write_weights(path, [({"id": "p0"}, state(0)), ({"id": "p0.full.001"}, state(1))])
    return path


@pytest.fixture
def features_file(tmp_path):
    path = tmp_path / "features.h5"
    write_features(path, list("wxyz"), [("p0", features(0)), ("p1", features(1))])
    return path


def told(call) -> str:
    with pytest.raises(UserError) as caught:
        call()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def same(found: dict, expected: dict) -> bool:
    return found.keys() == expected.keys() and all(
        found[name].dtype == tensor.dtype and torch.equal(found[name], tensor)
        for name, tensor in expected.items()
    )


def test_weights_read_back_with_their_types(weights_file):
    weights = Weights([weights_file])
    assert same(weights("p0"), state(0))
    assert same(weights("p0.full.001"), state(1))


def test_a_probe_reads_back_bit_for_bit_in_memory_that_torch_has_aligned(tmp_path):
    inputs = torch.rand(5, 3, 7, 7).div_(3)
    write_probe(tmp_path / "probe.h5", ["é", *"wxyz"], inputs, code="abc")
    samples, found = read_probe(tmp_path / "probe.h5")
    assert samples == ["é", *"wxyz"]
    assert found.dtype == torch.float32
    assert torch.equal(found.view(torch.int32), inputs.view(torch.int32))
    assert found.is_contiguous()
    assert found.data_ptr() % 64 == 0


def test_a_file_of_features_is_no_probe(features_file):
    assert "expected a file of a probe, but its `kind` is 'features'" in told(
        lambda: read_probe(features_file)
    )


def test_weights_are_laid_out_as_documented(weights_file):
    with h5py.File(weights_file) as file:
        assert np.array_equal(file["models/p0.full.001/0.weight"][()], state(1)["0.weight"].numpy())


def test_attributes_are_stored_with_the_file_and_with_each_model(tmp_path):
    described = {"id": "p0.full.001", "parent": "p0", "seed": 2**62 + 1, "left": None}
    write_weights(tmp_path / "w.h5", [(described, state())], code="abc", device="cpu")
    with h5py.File(tmp_path / "w.h5") as file:
        assert (file.attrs["code"], file.attrs["device"]) == ("abc", "cpu")
        assert file.attrs["torch"] == torch.__version__
        model = file["models/p0.full.001"].attrs
        assert (model["parent"], model["seed"]) == ("p0", 2**62 + 1)
        assert "left" not in model


def test_models_are_found_in_whichever_file_holds_them(tmp_path, weights_file):
    write_weights(tmp_path / "more.h5", [({"id": "p1"}, state(2))])
    assert same(Weights([weights_file, tmp_path / "more.h5"])("p1"), state(2))


def test_features_read_back_in_the_order_of_their_layers(features_file):
    read = Features([features_file])
    assert read.layers == ["b.1", "a"]
    assert same(read("p1"), features(1))
    assert same(read("p1", ["a"]), {"a": features(1)["a"]})


def test_the_same_models_give_the_same_bytes(tmp_path, weights_file, features_file):
    write_weights(tmp_path / "w.h5", [({"id": "p0"}, state(0)), ({"id": "p0.full.001"}, state(1))])
    write_features(tmp_path / "f.h5", list("wxyz"), [("p0", features(0)), ("p1", features(1))])
    assert (tmp_path / "w.h5").read_bytes() == weights_file.read_bytes()
    assert (tmp_path / "f.h5").read_bytes() == features_file.read_bytes()


@pytest.mark.parametrize("share", [0, 0.01, 0.5, 0.99])
def test_a_truncated_file_is_told(weights_file, features_file, share):
    for path, read in ((weights_file, Weights), (features_file, Features)):
        whole = path.read_bytes()
        path.write_bytes(whole[: int(share * len(whole))])
        assert told(lambda path=path, read=read: read([path])).startswith(f"{path}: ")


def test_a_file_of_another_kind_is_told(weights_file, features_file, tmp_path):
    assert "expected a file of weights, but its `kind` is 'features'" in told(
        lambda: Weights([features_file])
    )
    assert "expected a file of features, but its `kind` is 'weights'" in told(
        lambda: Features([weights_file])
    )
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = 1
    assert "`kind` is None" in told(lambda: Weights([tmp_path / "other.h5"]))
    (tmp_path / "text.h5").write_text("weights")
    assert "cannot be read" in told(lambda: Weights([tmp_path / "text.h5"]))
    assert "there is none" in told(lambda: Weights([tmp_path / "missing.h5"]))


def test_a_file_of_another_format_is_told(weights_file):
    with h5py.File(weights_file, "a") as file:
        file.attrs["format"] = 99
    assert "but got 99" in told(lambda: Weights([weights_file]))


def test_a_missing_model_or_layer_is_told(weights_file, features_file):
    weights, read = Weights([weights_file]), Features([features_file])
    assert told(lambda: weights("p7")).startswith("p7: ")
    assert told(lambda: read("p7")).startswith("p7: ")
    assert "'head'" in told(lambda: read("p0", ["head"]))


def test_files_of_different_probes_do_not_mix(tmp_path, features_file):
    write_features(tmp_path / "other.h5", list("wxyq"), [("p2", features(2))])
    assert "other.h5" in told(lambda: Features([features_file, tmp_path / "other.h5"]))


def test_a_writer_that_fails_midway_leaves_the_earlier_file_and_no_litter(weights_file):
    before = weights_file.read_bytes()

    def models():
        yield {"id": "p0"}, state(5)
        raise UserError("p1: training diverged")

    assert told(lambda: write_weights(weights_file, models())) == "p1: training diverged"
    assert weights_file.read_bytes() == before
    assert [path.name for path in weights_file.parent.iterdir()] == ["weights.h5"]


@pytest.mark.parametrize(("entries", "limit"), [(0, 100), (10, 4_000), (2_000, 4_000), (200_000, 4_000)])
def test_a_full_disk_is_told_and_leaves_the_earlier_file(weights_file, entries, limit):
    before = weights_file.read_bytes()
    models = [({"id": "p0"}, {"weight": torch.zeros(entries)})] if entries else []
    with files_at_most(limit):
        line = told(lambda: write_weights(weights_file, models))
    assert line.startswith(f"{weights_file}: could not be written: File too large")
    assert weights_file.read_bytes() == before
    assert [path.name for path in weights_file.parent.iterdir()] == ["weights.h5"]
