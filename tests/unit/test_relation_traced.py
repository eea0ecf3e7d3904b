"""Axes that share an order by a network's ONNX graph, against the groups of Torch-Pruning, which runs the network.

Source: Fang et al. 2023, arXiv:2301.12900.
"""

import numpy as np
import pytest
import timm
import torch
from onnx import helper, numpy_helper
from safetensors.numpy import save_file
from small_networks import child_of
from test_relation_axes import SIZE, Axes, network, theirs
from torch import nn

from lineage import audit
from lineage.checkpoints.plain.form import open_plain_model
from lineage.families.networks import network as families_network
from lineage.relation.alignment.axes import Structure
from lineage.relation.alignment.disguises import disguised
from lineage.relation.alignment.traced.drawn import drawn_structure
from lineage.relation.alignment.traced.trace import traced
from lineage.relation.alignment.traced.turning import with_outputs_first
from lineage.types.graph import Graph, Operator

NETWORKS = (
    "timm:resnet10t",
    "timm:mobilenetv3_small_050",
    "timm:vit_tiny_patch16_224",
    "timm:mobilenetv2_050",
    "torchvision:squeezenet1_1",
    "torchvision:densenet121",
    "timm:convnext_atto",
)
"""Names say nothing of the last three, and less of the one before."""


@pytest.fixture(autouse=True)
def plain_attention():
    is_fused = timm.layers.config.use_fused_attn()
    timm.layers.set_fused_attn(False)
    yield
    timm.layers.set_fused_attn(is_fused)


def write_onnx(net: nn.Module, images: torch.Tensor, path) -> None:
    torch.onnx.export(net.eval(), images, str(path), dynamo=False, opset_version=17)


def exported(net: nn.Module, path) -> None:
    """A network with random statistics, as one file."""
    give_statistics(net, 0)
    write_onnx(net, torch.rand(1, 3, SIZE, SIZE), path)


def give_statistics(net: nn.Module, seed: int) -> None:
    """As training does; what is equal in two layers is stored once."""
    draw = torch.Generator().manual_seed(seed)
    for part in net.modules():
        if isinstance(part, nn.BatchNorm2d):
            for values in (part.weight, part.bias, part.running_mean, part.running_var):
                values.data.uniform_(0.5, 1.5, generator=draw)


def in_graph(net: nn.Module, model) -> dict[str, tuple[str, list[int]]]:
    """Of each stored matrix, the weight that it is up to scales of rows, and its axes there."""
    weights = {
        f"{name}.weight": part.weight.detach().numpy()
        for name, part in net.named_modules()
        if isinstance(part, nn.Conv2d | nn.Linear)
    }
    found = {}
    for name, entry in model.entries.items():
        if len(entry.shape) < 2:
            continue
        for own, values in weights.items():
            for axes in ([0, 1], [1, 0])[: 1 + (len(entry.shape) == 2)]:
                stored = model.read(name) if axes == [0, 1] else model.read(name).T
                if stored.shape == values.shape and np.allclose(_rows(stored), _rows(values), atol=1e-4):
                    found[name] = own, axes
    return found


def _rows(values: np.ndarray) -> np.ndarray:
    rows = values.reshape(len(values), -1)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def axes_of(structure: Structure, called: dict[str, tuple[str, list[int]]]) -> set[Axes]:
    """The axes of weights that share an order, as Torch-Pruning lists them: more than one."""
    found = (
        frozenset(
            (called[member.tensor][0], called[member.tensor][1][member.axis])
            for member in group.members
            if member.tensor in called
        )
        for group in structure.groups
    )
    return {axes for axes in found if len(axes) > 1}


@pytest.mark.parametrize("name", NETWORKS)
def test_groups_of_a_graph_are_those_of_torch_pruning(name, tmp_path):
    net = network(name)
    exported(net, tmp_path / "a.onnx")
    model = open_plain_model(tmp_path / "a.onnx")
    shapes = {tensor: entry.shape for tensor, entry in model.entries.items()}
    assert axes_of(traced(model.graph(), shapes), in_graph(net, model)) == theirs(net)


def test_axes_of_grouped_convolutions_are_left_alone(tmp_path):
    """What is left of the network has the groups of Torch-Pruning."""
    net = network("timm:regnetx_002")
    exported(net, tmp_path / "a.onnx")
    model = open_plain_model(tmp_path / "a.onnx")
    shapes = {tensor: entry.shape for tensor, entry in model.entries.items()}
    found = axes_of(traced(model.graph(), shapes), in_graph(net, model))
    assert found
    assert found < theirs(net)


def test_a_graph_in_a_graph_shows_nothing(tmp_path):
    values = helper.make_node("Constant", [], ["w"], value=numpy_helper.from_array(np.ones((4, 4)), "w"))
    branch = helper.make_graph([values], "branch", [], [])
    graph = helper.make_graph(
        [helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch)], "g", [], []
    )
    (tmp_path / "a.onnx").write_bytes(helper.make_model(graph).SerializeToString())
    assert open_plain_model(tmp_path / "a.onnx").graph() is None


@pytest.mark.parametrize(
    "broken",
    [
        Operator("ReduceMean", ["x", "axes"], ["y"]),
        Operator("MatMul", ["", "w"], ["y"]),
        Operator("Softmax", ["scalar"], ["y"], {"axis": 0}),
        Operator("Relu", [], ["y"]),
        Operator("Slice", ["long", "starts", "ends"], ["y"]),
        Operator("Split", ["long"], ["y", "z"]),
        Operator("Split", ["many"], ["y", "z"]),
    ],
    ids=lambda operator: f"{operator.kind} {operator.inputs[:1]}",
)
def test_an_operator_that_makes_no_sense_shows_nothing(broken):
    graph = Graph(
        operators=[broken],
        inputs={"x": (1, 4), "axes": (1,), "scalar": (), "long": (2**40,), "many": (1,) * 64},
        outputs=["y"],
        tensors={"w": (4, 4), "starts": (1,), "ends": (1,)},
        constants={"starts": np.array([0]), "ends": np.array([2])},
    )
    assert drawn_structure(graph, {"w": (4, 4)}) is None


def test_a_graph_with_an_axis_of_less_than_nothing_shows_nothing():
    graph = Graph(
        operators=[Operator("Relu", ["w"], ["y"])],
        inputs={},
        outputs=["y"],
        tensors={"w": (-3,)},
        constants={},
    )
    assert drawn_structure(graph, graph.tensors) is None


@pytest.mark.parametrize(
    ("architecture", "how"),
    [
        ("conv", ["permute"]),
        ("resnet", ["permute"]),
        ("mobile", ["permute"]),
        ("vit", ["permute", "stream"]),
        ("llama", ["permute", "stream"]),
    ],
)
def test_a_permuted_child_in_onnx_has_the_family_and_closest_that_it_has_in_safetensors(
    architecture, how, tmp_path
):
    """Export folds BatchNorm into convolutions, turns matrices, and calls them by numbers."""
    folder = tmp_path / "candidates"
    folder.mkdir()
    states = [state_of(with_statistics(architecture, seed)) for seed in range(3)]
    for number, state in enumerate(states):
        save_file(state, folder / f"p{number}.safetensors")
    head_width = 32 if architecture in ("vit", "llama") else None
    copy = disguised(with_new_head(states[1]), how, np.random.default_rng(7), head_width)
    copy = {name: np.ascontiguousarray(values) for name, values in copy.items()}
    save_file(copy, tmp_path / "child.safetensors")
    net = with_statistics(architecture, 1)
    net.load_state_dict({name: torch.from_numpy(values) for name, values in copy.items()}, strict=False)
    write_onnx(with_plain_norms(net), torch.rand(1, 1, 16, 16), tmp_path / "child.onnx")
    known, found = (
        audit(tmp_path / name, folder, store_digests=False) for name in ("child.safetensors", "child.onnx")
    )
    assert known.family == ["p1"]
    assert (found.family, found.closest) == (known.family, known.closest)
    assert found.alignment.tried == len(states)


def with_new_head(state: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """A child of a network, whatever its head is called."""
    head = "score.weight" if "score.weight" in state else "head.weight"
    child = child_of({**state, "head.weight": state[head]}, 11)
    return {name: child["head.weight" if name == head else name] for name in state}


class PlainNorm(nn.Module):
    """RMSNorm as older exporters write it, operator by operator."""

    def __init__(self, norm: nn.RMSNorm):
        super().__init__()
        self.weight, self.eps = norm.weight, norm.eps or 1e-6

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.weight * x * torch.rsqrt((x * x).mean(-1, keepdim=True) + self.eps)


def with_plain_norms(net: nn.Module) -> nn.Module:
    for module in list(net.modules()):
        for name, part in module.named_children():
            if isinstance(part, nn.RMSNorm):
                setattr(module, name, PlainNorm(part))
    return net


def test_matrices_that_a_product_alone_takes_are_turned():
    """The others stay: one that is taken as it is as well, one that Gemm turns, and a batch of two."""
    operators = [
        Operator("MatMul", ["x", "plain"], ["a"]),
        Operator("Gemm", ["a", "gemm", "bias"], ["b"]),
        Operator("Gemm", ["b", "turned"], ["c"], {"transB": 1}),
        Operator("MatMul", ["c", "tied"], ["d"]),
        Operator("Relu", ["tied"], ["e"]),
        Operator("MatMul", ["d", "batch"], ["y"]),
    ]
    tensors = dict.fromkeys(("plain", "gemm", "turned", "tied"), (4, 6))
    graph = Graph(
        operators=operators,
        inputs={"x": (1, 4)},
        outputs=["y"],
        tensors={**tensors, "bias": (6,), "batch": (2, 6, 4)},
        constants={},
    )
    found, turned = with_outputs_first(graph)
    assert turned == {"plain", "gemm"}
    assert {name for name, shape in found.tensors.items() if shape == (6, 4)} == turned
    assert [operator.numbers.get("transB") for operator in found.operators] == [1, 1, 1, None, None, None]


def test_a_mask_of_zeros_above_the_diagonal_moves_no_units():
    """What an attention adds to its weights says nothing of the neurons behind it."""
    graph = Graph(
        operators=[
            Operator("Trilu", ["ones"], ["mask"], {"upper": 0}),
            Operator("MatMul", ["mask", "x"], ["mixed"]),
            Operator("MatMul", ["mixed", "first"], ["h"]),
            Operator("Relu", ["h"], ["r"]),
            Operator("MatMul", ["r", "second"], ["y"]),
        ],
        inputs={"x": (5, 4), "ones": (5, 5)},
        outputs=["y"],
        tensors={"first": (4, 8), "second": (8, 3)},
        constants={},
    )
    (group,) = drawn_structure(graph, graph.tensors).groups
    assert [(member.tensor, member.axis) for member in group.members] == [("first", 1), ("second", 0)]


def with_statistics(architecture: str, seed: int) -> nn.Module:
    net = families_network(architecture, width=64, classes=10, seed=seed)
    give_statistics(net, seed)
    return net


def state_of(net: nn.Module) -> dict[str, np.ndarray]:
    return {name: values.numpy().copy() for name, values in net.state_dict().items() if values.ndim}
