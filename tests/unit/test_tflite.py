"""TensorFlow Lite models, built with FlatBuffers' own library after the published schema."""

import numpy as np
import pytest
import scipy.sparse
from tflite_writer import tflite_of

from lineage.checkpoints.read import open_model
from lineage.errors import UserError

W = np.random.default_rng(0).normal(size=(6, 3, 3, 4)).astype(np.float32)
Q = np.random.default_rng(1).integers(-127, 127, W.shape).astype(np.int8)


def read(tmp_path, tensors):
    (tmp_path / "m.tflite").write_bytes(tflite_of(tensors))
    return open_model(tmp_path / "m.tflite")


@pytest.mark.parametrize("kind", ["float32", "float16"])
def test_floats_are_read_as_they_are(tmp_path, kind):
    model = read(tmp_path, {"conv/w": (W.astype(kind), kind, {}), "shape": (np.int32([1, 2]), "int32", {})})
    assert list(model.entries) == ["conv/w"]
    assert np.array_equal(model.read("conv/w"), W.astype(kind).astype(np.float32))
    assert {name: found.reason for name, found in model.left_out.items()} == {"shape": "int32: no weights"}


def test_one_scale_for_all(tmp_path):
    model = read(tmp_path, {"w": (Q, "int8", {"scale": [0.02], "zero": [3]})})
    assert np.allclose(model.read("w"), (Q.astype(np.float32) - 3) * np.float32(0.02), atol=1e-6)


@pytest.mark.parametrize("axis", [0, 3])
def test_a_scale_for_each_channel_goes_along_the_axis_that_the_file_names(tmp_path, axis):
    count = W.shape[axis]
    scale, along = np.linspace(0.01, 0.1, count), [1] * 4
    along[axis] = count
    model = read(tmp_path, {"w": (Q, "int8", {"scale": scale, "zero": np.zeros(count), "axis": axis})})
    assert np.allclose(model.read("w"), Q * np.float32(scale).reshape(along), atol=1e-6)


def test_quantised_biases_are_weights_too(tmp_path):
    bias = np.arange(-3, 3, dtype=np.int32) * 1000
    model = read(tmp_path, {"b": (bias, "int32", {"scale": np.full(6, 1e-3), "zero": np.zeros(6)})})
    assert np.allclose(model.read("b"), bias * 1e-3)


def test_two_numbers_a_byte(tmp_path):
    values = np.random.default_rng(2).integers(-8, 8, (5, 6))
    flat = values.reshape(-1, 2) & 15
    stored = (flat[:, 0] | flat[:, 1] << 4).astype(np.uint8)
    model = read(tmp_path, {"w": (stored, "int4", {"scale": [0.5], "shape": (5, 6)})})
    assert np.array_equal(model.read("w"), values * 0.5)


THIN = scipy.sparse.random(12, 24, 0.2, format="csr", random_state=3, dtype=np.float32)
"""A matrix of which a fifth is not zero."""
KINDS = [("int32", "int32"), ("uint16", "uint8"), ("uint8", "uint16")]


def lists(matrix, kinds=("int32", "int32")):
    return matrix.indptr.astype(kinds[0]), matrix.indices.astype(kinds[1])


@pytest.mark.parametrize("kinds", KINDS)
def test_rows_of_which_only_some_numbers_are_stored_are_filled_with_zeros(tmp_path, kinds):
    sparse = {"order": [0, 1], "blocks": [], "axes": [12, lists(THIN, kinds)]}
    model = read(tmp_path, {"w": (THIN.data, "float32", {"shape": (12, 24), "sparse": sparse})})
    assert np.array_equal(model.read("w"), THIN.toarray())


def test_columns_first_and_blocks(tmp_path):
    columns, blocks = THIN.tocsc(), THIN.tobsr((2, 4))
    by_column = {"order": [1, 0], "blocks": [], "axes": [24, lists(columns)]}
    in_blocks = {"order": [0, 1, 2, 3], "blocks": [0, 1], "axes": [6, lists(blocks), 2, 4]}
    model = read(tmp_path, {
        "columns": (columns.data, "float32", {"shape": (12, 24), "sparse": by_column}),
        "blocks": (blocks.data, "float32", {"shape": (12, 24), "sparse": in_blocks}),
    })  # fmt: skip
    assert np.array_equal(model.read("columns"), THIN.toarray())
    assert np.array_equal(model.read("blocks"), THIN.toarray())


def test_kernels_of_integers(tmp_path):
    kernels = np.random.default_rng(4).integers(-3, 3, (4, 3, 2, 8)).astype(np.int8)
    inputs = scipy.sparse.csr_array(kernels.reshape(-1, 8))
    sparse = {"order": [0, 1, 2, 3], "blocks": [], "axes": [4, 3, 2, lists(inputs)]}
    how = {"shape": kernels.shape, "sparse": sparse, "scale": [0.5]}
    assert np.array_equal(read(tmp_path, {"w": (inputs.data, "int8", how)}).read("w"), kernels * 0.5)


WRONG = {
    "an axis twice": {"order": [0, 0]},
    "an axis too few": {"order": [0]},
    "a block of no axis": {"order": [0, 1, 2], "blocks": [2], "axes": [12, lists(THIN), 1]},
    "a length beyond the tensor": {"axes": [2**30, lists(THIN)]},
    "a negative length": {"axes": [-1, lists(THIN)]},
    "a length beyond the segments": {"axes": [24, lists(THIN)]},
    "segments that go back": {"axes": [12, (THIN.indptr[::-1].astype(np.int32), THIN.indices.astype(np.int32))]},
    "segments beyond the indices": {"axes": [12, (THIN.indptr + np.int32(9), THIN.indices.astype(np.int32))]},
    "segments below zero": {"axes": [12, (THIN.indptr - np.int32(9), THIN.indices.astype(np.int32))]},
    "indices beyond the shape": {"axes": [12, (THIN.indptr.astype(np.int32), THIN.indices + np.int32(20))]},
    "indices below zero": {"axes": [12, (THIN.indptr.astype(np.int32), THIN.indices - np.int32(20))]},
    "places without numbers": {"axes": [12, 24]},
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_sparse_axes_that_contradict_the_shape_are_one_line(tmp_path, case):
    sparse = {"order": [0, 1], "blocks": [], "axes": [12, lists(THIN)]} | WRONG[case]
    model = read(tmp_path, {"w": (THIN.data, "float32", {"shape": (12, 24), "sparse": sparse})})
    with pytest.raises(UserError, match="tensor 'w' cannot be read"):
        model.read("w")
