"""OpenVINO's intermediate representation, written here after what OpenVINO 2026 writes."""

import numpy as np
import pytest
from openvino_writer import Graph

from lineage.checkpoints.folders import models_in_folder
from lineage.checkpoints.read import open_model

DRAWN = np.random.default_rng(0)
W = DRAWN.normal(size=(6, 3, 3, 3)).astype(np.float32)
Q = DRAWN.integers(-127, 127, (6, 16)).astype(np.int8)


@pytest.fixture
def graph(tmp_path):
    return Graph(tmp_path / "m.xml")


@pytest.mark.parametrize("kind", ["f32", "f16", "f64"])
def test_constants_are_weights_and_graphs_own_numbers_are_not(graph, kind):
    stored = W.astype({"f32": "f4", "f16": "f2", "f64": "f8"}[kind])
    graph.constant("self.conv.weight_compressed", kind, stored)
    graph.constant("shape", "i64", np.arange(4))
    graph.constant("bias", kind, stored[:, 0, 0, 0].reshape(1, 6, 1, 1))
    graph.constant("one", kind, stored[:1, :1, :1, :1])
    model = open_model(graph.saved())
    assert list(model.entries) == ["conv.weight", "bias"]
    assert np.array_equal(model.read("conv.weight"), stored.astype(np.float32))
    assert np.array_equal(model.read("bias"), stored[:, 0, 0, 0].astype(np.float32))
    assert "shape" in model.left_out
    assert len(model.files) == 2


@pytest.mark.parametrize("through", [[], ["Convert"]])
def test_convolutions_in_groups_have_their_outputs_on_one_axis(graph, through):
    at = graph.constant("w", "f32", W.reshape(2, 3, 3, 3, 3))
    for kind in through:
        at = graph.operator(kind, at)
    graph.operator("GroupConvolution", graph.operator("Parameter"), at)
    model = open_model(graph.saved())
    assert np.array_equal(model.read("w"), W)


def test_integers_times_their_scale_by_row(graph):
    scale = np.linspace(0.1, 1, 6).astype(np.float16)[:, None]
    weights, factors = graph.constant("w", "i8", Q), graph.constant("s", "f16", scale)
    graph.operator("MatMul", graph.operator("Multiply", graph.operator("Convert", weights), factors))
    model = open_model(graph.saved())
    assert list(model.entries) == ["w"]
    assert np.allclose(model.read("w"), Q * scale.astype(np.float32), rtol=1e-5)


def test_four_bits_less_a_zero_point_times_a_scale_by_group(graph):
    values, zeros = DRAWN.integers(0, 16, (6, 4, 4)), DRAWN.integers(0, 16, (6, 4, 1))
    scale = DRAWN.random((6, 4, 1)).astype(np.float16)
    weights = graph.constant("w", "u4", values)
    zero = graph.operator("Convert", graph.constant("z", "u4", zeros))
    less = graph.operator("Subtract", graph.operator("Convert", weights), zero)
    graph.operator("Reshape", graph.operator("Multiply", less, graph.constant("s", "f16", scale)))
    model = open_model(graph.saved())
    assert list(model.entries) == ["w"]
    assert np.allclose(model.read("w"), (values - zeros) * scale.astype(np.float32), rtol=1e-5)


def test_integers_without_a_scale_are_named(graph):
    graph.constant("fc.weight", "i8", Q)
    graph.constant("conv.weight", "f32", W)
    (note,) = open_model(graph.saved()).notes
    assert "fc.weight" in note


def test_a_folder_has_one_model_and_not_its_numbers_too(graph):
    graph.constant("w", "f32", W)
    assert models_in_folder(graph.saved().parent).models == [graph.path]
