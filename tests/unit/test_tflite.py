"""TensorFlow Lite models, built with FlatBuffers' own library after the published schema."""

import numpy as np
import pytest
from tflite_writer import tflite_of

from lineage.checkpoints.read import open_model

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
    assert model.left_out == {"shape": "int32: no weights"}


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
