"""Formats are read as independent writers wrote them."""

import json

import h5py
import ml_dtypes
import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from safetensors.numpy import save_file
from safetensors.torch import save_file as save_torch_file

from lineage.checkpoints.read import open_model, open_models
from lineage.errors import UserError

W = np.random.default_rng(0).normal(size=(24, 10)).astype(np.float32)
B = np.random.default_rng(1).normal(size=24).astype(np.float32)


def as_safetensors(path, tensors):
    save_file(tensors, path)


def as_torch(path, tensors):
    torch.save({name: torch.tensor(value) for name, value in tensors.items()}, path)


def as_torch_of_old(path, tensors):
    torch.save(
        {name: torch.tensor(value) for name, value in tensors.items()},
        path,
        _use_new_zipfile_serialization=False,
    )


def as_training_checkpoint(path, tensors):
    state = {name: torch.tensor(value) for name, value in tensors.items()}
    moments = {index: {"exp_avg": value, "exp_avg_sq": value} for index, value in enumerate(state.values())}
    torch.save({"epoch": 3, "model": state, "optimizer": {"state": moments, "lr": 0.1}}, path)


def as_npz(path, tensors):
    with path.open("wb") as stream:
        np.savez_compressed(stream, **tensors)


def as_onnx(path, tensors):
    graph = helper.make_graph(
        [], "g", [], [], initializer=[numpy_helper.from_array(value, name) for name, value in tensors.items()]
    )
    path.write_bytes(helper.make_model(graph).SerializeToString())


def as_hdf5(path, tensors):
    from lineage.storage.hdf5 import write_weights

    write_weights(path, [({"id": "p0"}, {name: torch.tensor(value) for name, value in tensors.items()})])


WRITERS = [
    as_safetensors, as_torch, as_torch_of_old, as_training_checkpoint, as_npz, as_onnx, as_hdf5
]  # fmt: skip


@pytest.mark.parametrize("write", WRITERS, ids=lambda write: write.__name__)
def test_tensors_are_read_as_they_were_written_whatever_the_file_is_called(tmp_path, write):
    path = tmp_path / "misleading.html"
    write(path, {"fc.weight": W, "fc.bias": B})
    model = open_model(path)
    assert set(model.entries) == {"fc.weight", "fc.bias"}
    assert np.array_equal(model.read("fc.weight"), W)
    assert np.array_equal(model.read("fc.bias"), B)


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float64])
def test_other_precisions_become_float32(tmp_path, dtype):
    save_file({"w": W.astype(dtype)}, tmp_path / "a.safetensors")
    torch_dtype = {"float16": torch.float16, "bfloat16": torch.bfloat16, "float64": torch.float64}[
        np.dtype(dtype).name
    ]
    torch.save({"w": torch.tensor(W).to(torch_dtype)}, tmp_path / "a.pt")
    for name in ("a.safetensors", "a.pt"):
        read = open_model(tmp_path / name).read("w")
        assert read.dtype == np.float32
        assert np.array_equal(read, W.astype(dtype).astype(np.float32))


def test_integers_are_left_out_and_named(tmp_path):
    save_file({"w": W, "steps": np.arange(3)}, tmp_path / "a.safetensors")
    model = open_model(tmp_path / "a.safetensors")
    assert set(model.entries) == {"w"}
    assert "steps" in model.left_out


@pytest.mark.parametrize("scale", [np.float32([0.02]), np.full(24, 0.02, np.float32)], ids=["one", "per row"])
def test_int8_safetensors_with_scales(tmp_path, scale):
    quantised = np.clip(np.round(W / 0.02), -127, 127).astype(np.int8)
    save_file({"w": quantised, "w_scale": scale}, tmp_path / "a.safetensors")
    model = open_model(tmp_path / "a.safetensors")
    assert set(model.entries) == {"w"}
    assert np.allclose(model.read("w"), quantised * np.float32(0.02), atol=1e-6)


@pytest.mark.parametrize("per_channel", [False, True])
def test_quantised_onnx_is_what_onnx_itself_dequantises(tmp_path, per_channel):
    scale = np.abs(W).max(1) / 127 if per_channel else np.float32(np.abs(W).max() / 127)
    scale = np.asarray(scale, np.float32)
    zero = np.zeros(scale.shape, np.int8)
    quantised = np.round(W / (scale[:, None] if per_channel else scale)).astype(np.int8)
    node = helper.make_node("DequantizeLinear", ["w_q", "w_s", "w_z"], ["w"], axis=0)
    graph = helper.make_graph(
        [node], "g", [], [helper.make_tensor_value_info("w", TensorProto.FLOAT, W.shape)],
        initializer=[numpy_helper.from_array(value, name)
                     for name, value in (("w_q", quantised), ("w_s", scale), ("w_z", zero))],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)])
    (tmp_path / "a.onnx").write_bytes(model.SerializeToString())
    expected = ReferenceEvaluator(model).run(None, {})[0]
    read = open_model(tmp_path / "a.onnx")
    assert set(read.entries) == {"w_q"}
    assert np.allclose(read.read("w_q"), expected, atol=1e-6)


def test_onnx_with_external_data_in_its_folder(tmp_path):
    tensor = numpy_helper.from_array(W, "w")
    graph = helper.make_graph([], "g", [], [], initializer=[tensor])
    onnx.save_model(
        helper.make_model(graph),
        tmp_path / "a.onnx",
        save_as_external_data=True,
        location="a.data",
        size_threshold=0,
    )
    assert np.array_equal(open_model(tmp_path / "a.onnx").read("w"), W)


def test_shards_are_one_model(tmp_path):
    save_file({"a.weight": W}, tmp_path / "m-00001-of-00002.safetensors")
    save_file({"b.weight": 2 * W}, tmp_path / "m-00002-of-00002.safetensors")
    index = {
        "weight_map": {"a.weight": "m-00001-of-00002.safetensors", "b.weight": "m-00002-of-00002.safetensors"}
    }
    (tmp_path / "m.safetensors.index.json").write_text(json.dumps(index))
    model = open_model(tmp_path / "m.safetensors.index.json")
    assert np.array_equal(model.read("b.weight"), 2 * W)
    (tmp_path / "m-00002-of-00002.safetensors").unlink()
    with pytest.raises(UserError, match="00002"):
        open_model(tmp_path / "m.safetensors.index.json")


def test_each_model_of_an_hdf5_file_has_a_name(tmp_path):
    from lineage.storage.hdf5 import write_weights

    models = [({"id": name}, {"w": torch.tensor(W)}) for name in ("p0.full.000", "p0.full.001")]
    write_weights(tmp_path / "weights.h5", models)
    names = [model.name for model in open_models(tmp_path / "weights.h5")]
    assert names == ["weights.h5::p0.full.000", "weights.h5::p0.full.001"]
    assert open_model(f"{tmp_path / 'weights.h5'}::p0.full.001").name == names[1]
    with pytest.raises(UserError, match="p9"):
        open_model(f"{tmp_path / 'weights.h5'}::p9")


def test_links_inside_the_folder_are_followed_and_reported(tmp_path):
    save_file({"w": W}, tmp_path / "real.safetensors")
    (tmp_path / "link.safetensors").symlink_to("real.safetensors")
    model = open_model(tmp_path / "link.safetensors")
    assert "real.safetensors" in model.notes[0]


def test_links_that_lead_out_are_followed_when_asked_and_reported(tmp_path):
    (tmp_path / "blobs").mkdir()
    (tmp_path / "snapshot").mkdir()
    save_torch_file({"w": torch.tensor(W)}, tmp_path / "blobs" / "abc")
    (tmp_path / "snapshot" / "m.safetensors").symlink_to("../blobs/abc")
    model = open_model(tmp_path / "snapshot" / "m.safetensors", follow=True)
    assert "blobs/abc" in model.notes[0]


def test_a_folder_that_is_itself_reached_by_a_link_is_no_way_out(tmp_path):
    (tmp_path / "real").mkdir()
    save_file({"w": W}, tmp_path / "real" / "m.safetensors")
    (tmp_path / "link").symlink_to("real")
    assert set(open_model(tmp_path / "link" / "m.safetensors").entries) == {"w"}


def test_an_hdf5_written_by_hand_in_the_layout_is_read(tmp_path):
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file.attrs["kind"] = "weights"
        file["models/x/fc.weight"] = W
    assert np.array_equal(open_model(tmp_path / "m.h5").read("fc.weight"), W)


def test_a_model_of_an_hdf5_file_is_read_without_those_beside_it(tmp_path):
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file.attrs["kind"] = "weights"
        file["models/p0/w"] = np.ones((2, 3), "f4")
        file["models/p0.full.000/w"] = np.full((2, 3), 2, "f4")
        file.create_group("models/p1")["w"] = h5py.SoftLink("/models/p0/w")
    child = open_model(f"{tmp_path / 'w.h5'}::p0.full.000")
    assert child.name == "w.h5::p0.full.000"
    np.testing.assert_array_equal(child.read("w"), np.full((2, 3), 2))
    assert open_model(f"{tmp_path / 'w.h5'}::p0").read("w").sum() == 6
    for asked in ("w.h5", "w.h5::p1"):
        with pytest.raises(UserError, match="p1/w is a link"):
            open_models(tmp_path / asked)
