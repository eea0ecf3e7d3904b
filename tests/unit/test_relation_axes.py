"""Axes that share an order by names and shapes, against the groups of Torch-Pruning, which runs the network.

Source: Fang et al. 2023, arXiv:2301.12900.
"""

import pytest
import timm
import torch
import torch_pruning
import torchvision
from torch import nn
from torch_pruning import (
    prune_conv_out_channels,
    prune_depthwise_conv_out_channels,
    prune_linear_out_channels,
)

from lineage.relation.alignment.axes import UnknownStructureError
from lineage.relation.alignment.structure import structure_of

SIZE = 64
ALIKE = (
    "timm:resnet10t",
    "timm:resnet18",
    "timm:resnet50",
    "timm:mobilenetv3_small_050",
    "timm:efficientnet_b0",
    "timm:tinynet_e",
    "timm:fbnetc_100",
    "timm:semnasnet_075",
    "timm:spnasnet_100",
    "torchvision:alexnet",
    "torchvision:resnet18",
    "torchvision:mobilenet_v2",
    "torchvision:efficientnet_b0",
)
COARSER = (
    "timm:mobilenetv2_050",
    "timm:mnasnet_small",
    "timm:lcnet_035",
    "torchvision:mobilenet_v3_small",
    "torchvision:mnasnet0_5",
)
"""Blocks that add nothing to what they take are not told by name from those that do, so they share its order."""
REFUSED = ("torchvision:densenet121", "torchvision:squeezenet1_1", "timm:regnetx_002", "timm:convnext_atto")

Axes = frozenset[tuple[str, int]]


def network(name: str) -> nn.Module:
    library, _, model = name.partition(":")
    if library == "torchvision":
        return torchvision.models.get_model(model, num_classes=10).eval()
    size = {"img_size": SIZE} if model.startswith("vit") else {}
    return timm.create_model(model, num_classes=10, **size).eval()


def ours(net: nn.Module) -> set[Axes]:
    shapes = {name: tuple(values.shape) for name, values in net.state_dict().items() if values.ndim}
    weights = {
        f"{name}.weight" for name, part in net.named_modules() if isinstance(part, nn.Conv2d | nn.Linear)
    }
    found = (
        frozenset((member.tensor, member.axis) for member in group.members if member.tensor in weights)
        for group in structure_of(shapes).groups
    )
    return {axes for axes in found if axes}


def theirs(net: nn.Module) -> set[Axes]:
    """Of every convolution and linear layer whose outputs another one takes."""
    graph = torch_pruning.DependencyGraph().build_dependency(net, torch.rand(1, 3, SIZE, SIZE))
    name_of = {part: name for name, part in net.named_modules()}
    found = set()
    for part in net.modules():
        if isinstance(part, nn.Conv2d | nn.Linear):
            group = graph.get_pruning_group(part, _pruning(part), idxs=[0])
            axes = frozenset(
                (f"{name_of[near]}.weight", _axis(near, dependency.handler.__name__))
                for dependency, _ in group
                if isinstance(near := dependency.target.module, nn.Conv2d | nn.Linear)
            )
            if len(axes) > 1:
                found.add(axes)
    return found


def _is_depthwise(part: nn.Module) -> bool:
    return isinstance(part, nn.Conv2d) and part.groups == part.out_channels > 1


def _pruning(part: nn.Module):
    if isinstance(part, nn.Linear):
        return prune_linear_out_channels
    return prune_depthwise_conv_out_channels if _is_depthwise(part) else prune_conv_out_channels


def _axis(part: nn.Module, how: str) -> int:
    return int("in_channels" in how and not _is_depthwise(part))


@pytest.mark.parametrize("name", ALIKE + COARSER)
def test_names_that_a_file_has_sorted_show_the_same(name):
    """As safetensors sorts them."""
    shapes = {
        tensor: tuple(values.shape) for tensor, values in network(name).state_dict().items() if values.ndim
    }

    def groups(given):
        return {
            frozenset((member.tensor, member.axis) for member in group.members)
            for group in structure_of(given).groups
        }

    assert groups({tensor: shapes[tensor] for tensor in sorted(shapes)}) == groups(shapes)


@pytest.mark.parametrize("name", ALIKE)
def test_groups_are_those_of_torch_pruning(name):
    net = network(name)
    assert ours(net) == theirs(net)


@pytest.mark.parametrize("name", COARSER)
def test_groups_in_doubt_are_unions_of_those_of_torch_pruning(name):
    """So that a permutation keeps the function in any case."""
    net = network(name)
    found, expected = ours(net), theirs(net)
    for axes in expected:
        assert sum(not axes.isdisjoint(group) for group in found) == 1
    assert set().union(*found) == set().union(*expected)


def test_neurons_and_the_residual_stream_of_a_transformer_are_those_of_torch_pruning():
    """Queries and keys have an order of their own: no other tensor has it."""
    net = network("timm:vit_tiny_patch16_224")
    assert {axes for axes in ours(net) if len(axes) > 1} == theirs(net)


@pytest.mark.parametrize("name", REFUSED)
def test_a_network_whose_axes_names_do_not_show_is_refused(name):
    with pytest.raises(UnknownStructureError):
        ours(network(name))
