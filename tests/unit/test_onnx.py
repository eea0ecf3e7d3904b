"""ONNX files of its own library: weights wherever a graph can hold them, with the numbers that ONNX computes."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from table_writer import part

from lineage.checkpoints.read import open_model
from lineage.errors import UserError

W = np.random.default_rng(0).normal(size=(24, 10)).astype(np.float32)
V = np.random.default_rng(1).normal(size=(24, 10)).astype(np.float32)


def save(path, nodes=(), initialisers=(), outputs=(), functions=(), opset=21):
    graph = helper.make_graph(list(nodes), "g", [], list(outputs), initializer=list(initialisers))
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", opset)], functions=list(functions)
    )
    path.write_bytes(model.SerializeToString())
    return model


def constant(values, name):
    return helper.make_node("Constant", [], [name], value=numpy_helper.from_array(values, f"value of {name}"))


def test_constants_are_called_as_what_they_give(tmp_path):
    save(tmp_path / "a.onnx", [constant(W, "fc.weight"), constant(V, "fc2.weight")])
    model = open_model(tmp_path / "a.onnx")
    assert list(model.entries) == ["fc.weight", "fc2.weight"]
    assert np.array_equal(model.read("fc2.weight"), V)


def test_weights_in_both_branches_of_an_if_and_in_a_loop_are_found(tmp_path):
    def body(values, name):
        return helper.make_graph([constant(values, name)], "branch", [], [])

    loop = helper.make_graph([], "body", [], [], initializer=[numpy_helper.from_array(2 * W, "loop.weight")])
    branch = helper.make_node(
        "If", ["c"], ["y"], then_branch=body(W, "a.weight"), else_branch=body(V, "b.weight")
    )
    save(tmp_path / "a.onnx", [branch, helper.make_node("Loop", ["n"], ["z"], body=loop)])
    model = open_model(tmp_path / "a.onnx")
    assert set(model.entries) == {"a.weight", "b.weight", "loop.weight"}
    assert np.array_equal(model.read("loop.weight"), 2 * W)


def test_weights_in_a_function_are_found(tmp_path):
    function = helper.make_function(
        "local", "F", [], ["w"], [constant(W, "w")], [helper.make_opsetid("", 21)]
    )
    save(tmp_path / "a.onnx", functions=[function])
    assert np.array_equal(open_model(tmp_path / "a.onnx").read("w"), W)


def test_tensors_of_one_name_in_two_branches_are_both_read(tmp_path):
    first, second = (helper.make_graph([constant(values, "w")], "branch", [], []) for values in (W, V))
    save(tmp_path / "a.onnx", [helper.make_node("If", ["c"], ["y"], else_branch=first, then_branch=second)])
    model = open_model(tmp_path / "a.onnx")
    assert np.array_equal(model.read("w"), W)
    assert np.array_equal(model.read("w#2"), V)


INFINITE = {
    "number": np.float32(-np.inf),
    "list": np.float32([np.inf]),
    "mask": np.full((1, 1, 8, 8), -np.inf, np.float32),
}


@pytest.mark.parametrize("values", INFINITE.values(), ids=INFINITE)
def test_infinite_constants_are_no_weights(tmp_path, values):
    save(tmp_path / "a.onnx", [constant(np.asarray(values), "limit")], [numpy_helper.from_array(W, "w")])
    model = open_model(tmp_path / "a.onnx")
    assert list(model.entries) == ["w"]
    assert not model.left_out["limit"].is_weights
    assert model.notes == []


def test_values_in_lists_of_numbers_are_read(tmp_path):
    save(tmp_path / "a.onnx", initialisers=[
        helper.make_tensor("single", TensorProto.FLOAT, W.shape, W.ravel()),
        helper.make_tensor("double", TensorProto.DOUBLE, W.shape, W.ravel()),
        helper.make_tensor("half", TensorProto.FLOAT16, W.shape, W.ravel()),
        helper.make_tensor("brain", TensorProto.BFLOAT16, W.shape, W.ravel()),
    ])  # fmt: skip
    model = open_model(tmp_path / "a.onnx")
    assert np.array_equal(model.read("single"), W)
    assert np.array_equal(model.read("double"), W)
    assert np.array_equal(model.read("half"), W.astype(np.float16))
    assert np.allclose(model.read("brain"), W, rtol=2**-7)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("kind", ["int8", "uint8", "int4", "uint4"])
def test_a_scale_for_each_channel_is_applied_along_the_axis_of_its_operator(tmp_path, axis, kind):
    data_type = getattr(TensorProto, kind.upper())
    low, high = {"int8": (-127, 127), "uint8": (0, 255), "int4": (-8, 7), "uint4": (0, 15)}[kind]
    square = np.random.default_rng(2).integers(low, high, (8, 8))
    scale = np.random.default_rng(3).random(8).astype(np.float32) + 0.5
    zero = np.arange(8) % 4
    node = helper.make_node("DequantizeLinear", ["q", "s", "z"], ["w"], axis=axis)
    parts = [
        helper.make_tensor("q", data_type, square.shape, square.ravel()),
        numpy_helper.from_array(scale, "s"),
        helper.make_tensor("z", data_type, zero.shape, zero),
    ]
    output = helper.make_tensor_value_info("w", TensorProto.FLOAT, square.shape)
    model = save(tmp_path / "a.onnx", [node], parts, [output])
    expected = ReferenceEvaluator(model).run(None, {})[0]
    read = open_model(tmp_path / "a.onnx")
    assert list(read.entries) == ["q"]
    assert np.allclose(read.read("q"), expected, atol=1e-6)


def test_a_scale_for_each_block_of_a_row(tmp_path):
    values = np.random.default_rng(2).integers(-127, 127, (6, 32)).astype(np.int8)
    scale = np.random.default_rng(3).random((6, 4)).astype(np.float32)
    node = helper.make_node("DequantizeLinear", ["q", "s"], ["w"], axis=1, block_size=8)
    save(
        tmp_path / "a.onnx",
        [node],
        [numpy_helper.from_array(values, "q"), numpy_helper.from_array(scale, "s")],
    )
    assert np.allclose(open_model(tmp_path / "a.onnx").read("q"), values * np.repeat(scale, 8, axis=1))


def test_weights_of_dynamic_quantisation_have_their_scale_by_name(tmp_path):
    """As ONNX Runtime's quantize_dynamic names them; the scale is a factor of a Mul further on."""
    values = np.random.default_rng(2).integers(-127, 127, (10, 6)).astype(np.int8)
    scale, zero = np.random.default_rng(3).random(6).astype(np.float32), np.arange(6, dtype=np.int8)
    save(tmp_path / "a.onnx", [helper.make_node("MatMulInteger", ["x", "w_quantized", "a", "w_zero_point"], ["y"])], [
        numpy_helper.from_array(part, f"w_{name}")
        for name, part in (("quantized", values), ("scale", scale), ("zero_point", zero))
    ])  # fmt: skip
    model = open_model(tmp_path / "a.onnx")
    assert list(model.entries) == ["w_quantized"]
    assert np.allclose(model.read("w_quantized"), (values - zero.astype(np.float32)) * scale)


def test_quantised_weights_without_a_scale_are_named(tmp_path):
    save(tmp_path / "a.onnx", initialisers=[
        numpy_helper.from_array(W, "w"), numpy_helper.from_array(W.astype(np.int8), "fc.weight")
    ])  # fmt: skip
    assert any("fc.weight" in note and "left out" in note for note in open_model(tmp_path / "a.onnx").notes)


def test_the_files_that_hold_the_values_are_the_models_too(tmp_path):
    model = save(tmp_path / "a.onnx", initialisers=[numpy_helper.from_array(W, "w")])
    onnx.save_model(
        model, tmp_path / "b.onnx", save_as_external_data=True, location="b.data", size_threshold=0
    )
    found = open_model(tmp_path / "b.onnx")
    assert [file.path.name for file in found.files] == ["b.onnx", "b.data"]
    assert np.array_equal(found.read("w"), W)


@pytest.mark.parametrize("kind", [500, 502, 2000])
def test_a_model_of_core_ml_is_told_from_onnx_though_both_begin_alike(tmp_path, kind):
    data = part(1, 7) + part(2, part(100, b"a description")) + part(kind, b"\x0a\x02ab")
    (tmp_path / "m.mlmodel").write_bytes(data)
    with pytest.raises(UserError, match="of Core ML"):
        open_model(tmp_path / "m.mlmodel")


def test_convolutions_that_onnx_runtime_wove_for_a_processor_are_left_out(tmp_path):
    kernel = np.ones((16, 16, 3, 3), np.float32)
    node = helper.make_node("Conv", ["x", "woven", "bias"], ["y"], domain="com.microsoft.nchwc")
    save(
        tmp_path / "m.onnx",
        [node],
        [numpy_helper.from_array(kernel, "woven"), numpy_helper.from_array(W, "fc.weight")],
    )
    model = open_model(tmp_path / "m.onnx")
    assert list(model.entries) == ["fc.weight"]
    assert "export the model anew" in model.left_out["woven"].reason
    assert model.left_out["woven"].is_weights
