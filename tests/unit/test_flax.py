"""Flax' msgpack, packed by msgpack's own library as flax/serialization.py packs it."""

import ml_dtypes
import msgpack
import numpy as np
import pytest

from lineage.checkpoints.folders import models_in_folder
from lineage.checkpoints.read import open_model, open_models
from lineage.errors import UserError

W = np.random.default_rng(0).normal(size=(6, 5)).astype(np.float32)


def packed_array(values: np.ndarray) -> bytes:
    return msgpack.packb((values.shape, values.dtype.name, values.tobytes("C")), use_bin_type=True)


def packed(tree: dict) -> bytes:
    def extended(value):
        if isinstance(value, np.ndarray):
            return msgpack.ExtType(1, packed_array(value))
        return msgpack.ExtType(3, packed_array(np.asarray(value)))

    return msgpack.packb(tree, default=extended, strict_types=True)


PARAMETERS = {
    "Conv_0": {"kernel": np.stack([W] * 9).reshape(3, 3, 6, 5), "bias": W[0]},
    "Dense_0": {"kernel": W, "bias": W[1].astype(np.float16)},
    "Dense_1": {
        "kernel": W.astype(ml_dtypes.bfloat16),
        "empty": {},
        "none": None,
        "rate": 0.5,
        "many": [1, -7, 70_000],
    },
}


def assert_holds(model, expected):
    assert set(model.entries) == set(expected)
    for name, values in expected.items():
        assert np.array_equal(model.read(name), np.asarray(values, np.float32)), name


def flat(tree):
    return {
        f"{layer}.{name}": values
        for layer, parts in tree.items()
        for name, values in parts.items()
        if isinstance(values, np.ndarray)
    }


@pytest.mark.parametrize("wrap", [lambda tree: tree, lambda tree: {"params": tree}, lambda tree: {
    "step": np.int64(7), "params": tree, "opt_state": {"0": {"mu": tree, "nu": tree}, "1": {}}}])  # fmt: skip
def test_the_arrays_of_a_tree_and_none_of_the_optimisers(tmp_path, wrap):
    (tmp_path / "flax_model.msgpack").write_bytes(packed(wrap(PARAMETERS)))
    model = open_model(tmp_path / "flax_model.msgpack")
    assert model.format == "flax"
    found = {name.removeprefix("params."): model.read(name) for name in model.entries}
    assert set(found) == set(flat(PARAMETERS))
    assert all(np.array_equal(found[name], np.float32(values)) for name, values in flat(PARAMETERS).items())


def test_statistics_belong_to_the_parameters(tmp_path):
    tree = {"params": {"bn": {"scale": W[0]}, "fc": {"kernel": W}}, "batch_stats": {"bn": {"mean": W[1]}}}
    (tmp_path / "m").write_bytes(packed(tree))
    (model,) = open_models(tmp_path / "m")
    assert set(model.entries) == {"params.bn.scale", "params.fc.kernel", "batch_stats.bn.mean"}
    assert models_in_folder(tmp_path).models == [tmp_path / "m"]


def test_an_array_in_chunks(tmp_path):
    chunks = {str(number): part for number, part in enumerate(np.split(W.reshape(-1), 15))}
    shape = {"0": W.shape[0], "1": W.shape[1]}
    tree = {
        "fc": {"kernel": {"__msgpack_chunked_array__": True, "shape": shape, "chunks": chunks}, "bias": W[0]}
    }
    (tmp_path / "m.msgpack").write_bytes(packed(tree))
    assert_holds(open_model(tmp_path / "m.msgpack"), {"kernel": W, "bias": W[0]})


def test_more_than_fifteen_layers_and_long_names(tmp_path):
    tree = {f"layer_{number}_{'x' * 300}": {"kernel": W * number} for number in range(40)}
    (tmp_path / "m.msgpack").write_bytes(packed(tree))
    assert_holds(open_model(tmp_path / "m.msgpack"), flat(tree))


def test_every_truncation_is_refused(tmp_path):
    whole = packed(PARAMETERS)
    for end in [*range(1, 200, 7), *range(200, len(whole), 97)]:
        (tmp_path / "m.msgpack").write_bytes(whole[:end])
        with pytest.raises(UserError):
            open_model(tmp_path / "m.msgpack")
