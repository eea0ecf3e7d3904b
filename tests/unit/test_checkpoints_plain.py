"""The plain form of models: weights in parts against PyTorch's own layers, kernels and gates of other frameworks."""

import copy

import numpy as np
import onnx
import pytest
import torch
from safetensors.numpy import save_file
from small_networks import child_of, network
from torch import nn
from torch.nn.utils import parametrizations, prune, spectral_norm, weight_norm

from lineage.auditing.run import audit
from lineage.checkpoints.checkpoint import Entry
from lineage.checkpoints.plain.form import open_plain_model
from lineage.checkpoints.plain.kernels import outputs_first
from lineage.checkpoints.plain.recurrent import gates_in_order
from lineage.errors import UserError


def pruned(layer: nn.Module) -> nn.Module:
    return prune.l1_unstructured(layer, "weight", 0.4)


def with_power_iterations(layer: nn.Module) -> nn.Module:
    """Spectrally normalised; its estimate of the largest singular value has converged."""
    layer = spectral_norm(layer, n_power_iterations=200)
    layer.train()(torch.randn(2, 6, 8, 8))
    return layer.eval()


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize(
    "stored",
    [
        pruned,
        weight_norm,
        lambda layer: weight_norm(layer, dim=1),
        lambda layer: weight_norm(layer, dim=None),
        parametrizations.weight_norm,
        lambda layer: parametrizations.spectral_norm(layer, n_power_iterations=200),
        with_power_iterations,
    ],
    ids=[
        "pruned",
        "norm",
        "norm of inputs",
        "norm of all",
        "parametrised",
        "parametrised spectral",
        "spectral",
    ],
)
def test_a_weight_in_parts_is_that_of_the_layer(tmp_path, stored):
    torch.manual_seed(0)
    layer = stored(nn.Conv2d(6, 5, 3))
    torch.save(nn.Sequential(nn.Conv2d(3, 6, 3), layer).state_dict(), tmp_path / "m.pt")
    model = open_plain_model(tmp_path / "m.pt")
    assert set(model.entries) == {"0.weight", "0.bias", "1.weight", "1.bias"}
    np.testing.assert_allclose(model.read("1.weight"), layer.weight.detach().numpy(), rtol=1e-4, atol=1e-5)
    assert any("were put together" in remark for remark in model.remarks)


@pytest.mark.parametrize(
    "shapes",
    [
        {"x_orig": (), "x_u": (1,)},
        {"x_orig": (0, 4), "x_u": (1,)},
        {"parametrizations.x.original1": (4, 4), "parametrizations.x.original0": (4,)},
    ],
)
def test_parts_of_impossible_shapes_are_one_line(tmp_path, shapes):
    torch.save({name: torch.ones(shape) for name, shape in shapes.items()}, tmp_path / "m.pt")
    with pytest.raises(UserError, match=r"tensor 'x' cannot be read: its (sizes have the )?shape"):
        open_plain_model(tmp_path / "m.pt").read("x")


def test_two_square_matrices_that_are_called_like_sizes_and_directions_are_no_weight_norm(tmp_path):
    torch.save({"W_v": torch.ones(4, 4), "W_g": torch.ones(4, 4)}, tmp_path / "m.pt")
    assert set(open_plain_model(tmp_path / "m.pt").entries) == {"W_v", "W_g"}


def test_layers_with_adapters_have_their_own_names(tmp_path):
    layers = {"q.base_layer.weight": 1.0, "q.lora_A.default.weight": 2.0, "q.base_layer.bias": 3.0}
    saved = {"head.original_module.weight": 4.0, "head.modules_to_save.default.weight": 5.0}
    state = {name: torch.full((4, 4), value) for name, value in (layers | saved).items()}
    torch.save(state, tmp_path / "m.pt")
    model = open_plain_model(tmp_path / "m.pt")
    found = {name: float(model.read(name)[0, 0]) for name in model.entries}
    assert found == {"q.weight": 1.0, "q.lora_A.default.weight": 2.0, "q.bias": 3.0, "head.weight": 5.0}


def entries_of(tensors: dict[str, np.ndarray]) -> dict[str, Entry]:
    return {
        name: Entry(values.shape, "float32", lambda values=values: values) for name, values in tensors.items()
    }


ORDERS = {"PyTorch": (0, 1, 2, 3), "TensorFlow": (2, 3, 1, 0), "MLX": (0, 2, 3, 1)}
KERNELS = [(32, 3, 7, 7), (64, 32, 3, 3), (64, 64, 1, 1), (3, 3, 3, 3), (96, 64, 1, 5), (16, 16, 3, 3)]


@pytest.mark.parametrize("order", ORDERS)
def test_kernels_of_every_framework_lie_as_pytorch_has_them(order):
    generator = np.random.default_rng(0)
    kernels = {f"k{n}": generator.normal(size=shape).astype("f4") for n, shape in enumerate(KERNELS)}
    stored = {name: values.transpose(ORDERS[order]) for name, values in kernels.items()}
    positions = {"pos_embed": generator.normal(size=(1, 17, 32)), "dense": generator.normal(size=(32, 10))}
    found, remark = outputs_first(entries_of(stored | positions))
    for name, values in (kernels | positions).items():
        np.testing.assert_array_equal(found[name].load(), values)
        assert found[name].shape == values.shape
    assert (remark is None) == (order == "PyTorch")


LONG = [(12, 12, 7, 3), (12, 12, 5, 1), (12, 3, 3, 3), (16, 8, 1, 7)]
"""Of a network whose kernels are mostly longer one way, with as many inputs as outputs."""
PATCH = [(96, 3, 16, 16)]
"""Of a transformer: the only kernel cuts the image into squares."""


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("shapes", [LONG, PATCH], ids=["long kernels", "a patch"])
def test_long_kernels_and_patches_lie_as_pytorch_has_them(shapes, order):
    generator = np.random.default_rng(0)
    kernels = {f"k{n}": generator.normal(size=shape).astype("f4") for n, shape in enumerate(shapes)}
    stored = {name: values.transpose(ORDERS[order]) for name, values in kernels.items()}
    found, _ = outputs_first(entries_of(stored))
    assert all(np.array_equal(found[name].load(), values) for name, values in kernels.items())


TALL = [(7, 38, 1, 204), (7, 67, 1, 204), (128, 1, 1, 51), (64, 1, 1, 51), (7, 64, 1, 64)]
"""Kernels of a network of music, in TensorFlow's order: space is so long that other orders look likelier."""


@pytest.mark.parametrize("usual", ["..IO", None])
def test_where_shapes_do_not_tell_kernels_have_the_order_of_their_format(usual):
    stored = {f"k{n}": np.arange(np.prod(shape)).reshape(shape) for n, shape in enumerate(TALL)}
    found, _ = outputs_first(entries_of(stored), usual)
    is_right = all(
        np.array_equal(found[name].load(), values.transpose(3, 2, 0, 1)) for name, values in stored.items()
    )
    assert is_right == (usual is not None)


def test_kernels_of_pytorch_in_a_graph_of_tensorflow_stay_as_they_are():
    stored = {f"k{n}": np.arange(np.prod(shape)).reshape(shape) for n, shape in enumerate(KERNELS)}
    found, remark = outputs_first(entries_of(stored), "..IO")
    assert remark is None
    assert all(found[name].shape == values.shape for name, values in stored.items())


MASK = np.triu(np.full((40, 40), -np.inf, np.float32), 1)
BESIDE = {
    "no rows": np.zeros((0, 64), np.float32),
    "no columns": np.zeros((4, 0, 3), np.float32),
    "a mask": MASK,
}


@pytest.mark.parametrize("name", BESIDE)
def test_empty_tensors_and_masks_hinder_no_audit(name, tmp_path):
    (tmp_path / "bases").mkdir()
    parent, beside = network(1), {"layer1.attn_mask": BESIDE[name]}
    save_file(parent | beside, tmp_path / "bases" / "p.safetensors")
    save_file(child_of(parent, 3) | beside, tmp_path / "c.safetensors")
    report = audit(tmp_path / "c.safetensors", tmp_path / "bases", store_digests=False)
    assert (list(report.family), report.closest) == (["p"], "p")
    assert report.child.left_out["layer1.attn_mask"].endswith("no weights")


def test_infinite_weights_are_no_mask(tmp_path):
    weights = network(1) | {"mask_embed.weight": np.where(MASK == 0, 0.5, MASK), "attn_mask": MASK + 1}
    for name in ("mask_embed.weight", "attn_mask"):
        save_file({name: weights[name].astype(np.float32), **network(1)}, tmp_path / "c.safetensors")
        with pytest.raises(UserError, match="infinite"):
            audit(tmp_path / "c.safetensors", tmp_path / "c.safetensors", store_digests=False)


def test_recurrent_layers_of_onnx_are_told_by_their_operators_in_any_order(tmp_path):
    """Two layers of the same shapes, whose tensors lie as tf2onnx puts them: first all W, then all R."""
    layers = [nn.LSTM(24, 24, batch_first=True) for _ in range(2)]
    tensors, nodes = {}, []
    for number, layer in enumerate(layers):
        for kind, weights in (("W", layer.weight_ih_l0), ("R", layer.weight_hh_l0)):
            gates = weights.detach().numpy().reshape(4, 24, 24)[[0, 3, 1, 2]]
            tensors[f"{kind}__{number}"] = gates.reshape(1, 96, 24)
        nodes.append(onnx.helper.make_node("LSTM", ["x", f"W__{number}", f"R__{number}"], ["y"]))
    names = sorted(tensors, reverse=True)
    initialisers = [onnx.numpy_helper.from_array(tensors[name], name) for name in names]
    onnx.save(
        onnx.helper.make_model(onnx.helper.make_graph(nodes, "g", [], [], initialisers)), tmp_path / "m.onnx"
    )
    model = open_plain_model(tmp_path / "m.onnx")
    for number, layer in enumerate(layers):
        for name in ("weight_ih_l0", "weight_hh_l0"):
            expected = getattr(layer, name).detach().numpy()
            assert np.array_equal(model.read(f"W__{number}.{name}"), expected)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("kind", "bidirectional"), [("LSTM", False), ("GRU", True)])
def test_gates_of_onnx_are_put_in_the_order_of_pytorch(tmp_path, kind, bidirectional):
    """PyTorch's own exporter writes W and R."""
    pytest.importorskip("onnx")
    torch.manual_seed(0)
    layer = getattr(nn, kind)(6, 5, bidirectional=bidirectional)
    torch.onnx.export(copy.deepcopy(layer), (torch.randn(3, 2, 6),), tmp_path / "m.onnx", dynamo=False)
    model = open_plain_model(tmp_path / "m.onnx")
    for name, values in layer.named_parameters():
        if "weight" in name:
            ending = name.removeprefix("weight")
            (found,) = (entry for entry in model.entries if entry.endswith(f"weight{ending}"))
            np.testing.assert_allclose(model.read(found), values.detach().numpy(), rtol=1e-6)


@pytest.mark.parametrize(("gates", "order"), [(4, [0, 1, 2, 3]), (3, [1, 0, 2])])
def test_gates_of_keras_are_put_in_the_order_of_pytorch(gates, order):
    """Keras has an LSTM's gates as PyTorch has, and a GRU's update gate before its reset gate."""
    generator = np.random.default_rng(0)
    kernel, recurrent = generator.normal(size=(6, gates * 5)), generator.normal(size=(5, gates * 5))
    stored = {"rnn/cell/kernel": kernel, "rnn/cell/recurrent_kernel": recurrent, "dense/kernel": kernel}
    found, _ = gates_in_order(entries_of(stored))
    assert set(found) == {"rnn/cell/weight_ih_l0", "rnn/cell/weight_hh_l0", "dense/kernel"}
    for name, values in (("rnn/cell/weight_ih_l0", kernel), ("rnn/cell/weight_hh_l0", recurrent)):
        blocks = [values[:, 5 * gate : 5 * gate + 5].T for gate in order]
        np.testing.assert_allclose(found[name].load(), np.concatenate(blocks), rtol=1e-6)


def test_arrays_of_one_place_in_space_do_not_outvote_kernels():
    """As TensorFlow.js stores basic-pitch: filters of its transform beside kernels of the network."""
    shapes = {f"filters{number}": (1, 256, 1, 1) for number in range(8)}
    shapes |= {"a": (5, 5, 8, 1), "b": (7, 7, 1, 32), "c": (3, 3, 33, 1)}
    entries = {
        name: Entry(shape, "float32", lambda shape=shape: np.zeros(shape)) for name, shape in shapes.items()
    }
    assert outputs_first(entries)[0]["c"].shape == (1, 33, 3, 3)
