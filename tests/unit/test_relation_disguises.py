"""Disguised copies of networks: the outputs stay, the weights do not."""

import numpy as np
import pytest
import torch
from torch import nn
from torchvision import models

from lineage.families.networks import ARCHITECTURES, SIZE, network
from lineage.relation.alignment.axes import Kind, UnknownStructureError
from lineage.relation.alignment.disguises import disguised
from lineage.relation.alignment.structure import structure_of
from lineage.relation.tensor_names import heads

HEAD_WIDTH = 32
FITTING = [
    *((name, "permute") for name in ("mlp", "mlp-norm", "conv", "mobile", "resnet", "vit", "llama")),
    *((name, "rescale") for name in ("mlp", "conv", "mobile", "resnet", "vit", "llama")),
    *((name, "stream") for name in ("mobile", "resnet", "vit", "llama")),
    *((name, "heads") for name in ("vit", "llama")),
    ("llama", "rotate"),
    ("mlp", "permute,rescale"),
    ("resnet", "permute,rescale,stream"),
    ("vit", "permute,rescale,stream,heads"),
    ("llama", "permute,rescale,rotate,heads"),
]  # fmt: skip


def used(net: nn.Module) -> nn.Module:
    """With factors, biases and statistics that training would have moved from 0 and 1."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, values in net.state_dict().items():
            if values.ndim == 1 and values.is_floating_point():
                noise = torch.rand(values.shape, generator=generator)
                values.copy_(noise + 0.5 if "var" in name or "weight" in name else noise - 0.5)
    return net.eval()


def state_of(net: nn.Module) -> dict[str, np.ndarray]:
    return {name: values.numpy().copy() for name, values in net.state_dict().items() if values.ndim}


@torch.inference_mode()
def difference(net: nn.Module, state: dict[str, np.ndarray], images: torch.Tensor) -> float:
    before = net(images)
    net.load_state_dict({name: torch.from_numpy(values) for name, values in state.items()}, strict=False)
    return float((net(images) - before).abs().max() / before.abs().max())


@pytest.mark.parametrize(("architecture", "how"), FITTING)
def test_a_disguised_copy_computes_the_same(architecture, how):
    net = used(network(architecture, width=64, classes=10, seed=0))
    state = state_of(net)
    head_width = HEAD_WIDTH if architecture in ("vit", "llama") else None
    copy = disguised(state, how.split(","), np.random.default_rng(0), head_width)
    assert any(not np.allclose(copy[name], state[name], atol=1e-3) for name in state)
    assert difference(net, copy, torch.rand(8, 1, SIZE, SIZE)) < 1e-5


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("resnet18", "permute,rescale,stream"),
        ("resnet50", "permute,stream"),
        ("mobilenet_v2", "permute,rescale,stream"),
        ("alexnet", "permute,rescale"),
        ("efficientnet_b0", "permute,stream"),
        ("mobilenet_v3_small", "permute,stream"),
        ("vit_b_16", "permute,rescale,stream,heads"),
    ],
)
def test_networks_of_torchvision_compute_the_same(name, how):
    net = used(small(name))
    copy = disguised(state_of(net), how.split(","), np.random.default_rng(0), 64)
    size = 64 if name != "vit_b_16" else 32
    assert difference(net, copy, torch.rand(2, 3, size, size)) < 1e-5


def small(name: str) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        if name == "vit_b_16":
            return models.VisionTransformer(32, 16, 2, 4, 256, 512, num_classes=10)
        return models.get_model(name, weights=None, num_classes=10)


@pytest.mark.parametrize("name", ["densenet121", "googlenet", "shufflenet_v2_x0_5", "resnext50_32x4d"])
def test_networks_whose_axes_are_not_known_are_refused(name):
    options = {"init_weights": False, "aux_logits": False} if name == "googlenet" else {}
    with torch.device("meta"):
        shapes = {
            key: tuple(values.shape)
            for key, values in models.get_model(name, weights=None, **options).state_dict().items()
        }
    with pytest.raises(UnknownStructureError):
        structure_of(shapes)


@pytest.mark.parametrize("architecture", [name for name in ARCHITECTURES if name not in ("lstm", "gru")])
def test_the_order_of_names_in_a_file_does_not_matter(architecture):
    net = network(architecture, width=64, classes=10, seed=0)
    shapes = {name: tuple(values.shape) for name, values in net.state_dict().items()}
    by_name = {name: shapes[name] for name in sorted(shapes)}

    def groups(given):
        return {group.id: {(m.tensor, m.axis) for m in group.members} for group in structure_of(given).groups}

    assert groups(by_name) == groups(shapes)


def test_axes_that_do_not_fit_are_noticed():
    with pytest.raises(UnknownStructureError, match=r"layer2.weight: expected 32 inputs, got 40"):
        structure_of({"layer1.weight": (32, 8), "layer2.weight": (64, 40), "head.weight": (10, 64)})
    with pytest.raises(UnknownStructureError, match="nothing of the kind"):
        net = network("conv", width=64, classes=10, seed=0)
        disguised(state_of(net), ["heads"], np.random.default_rng(0))


def test_thinned_and_shortened_copies_are_networks_of_fewer_channels_and_blocks():
    state = state_of(network("vit", width=64, classes=10, seed=0))
    thin = disguised(state, ["thin"], np.random.default_rng(0), HEAD_WIDTH)
    assert thin["blocks.0.mlp.0.weight"].shape == (96, 64)
    assert thin["blocks.0.mlp.2.weight"].shape == (64, 96)
    short = disguised(state, ["shorten"], np.random.default_rng(0), HEAD_WIDTH)
    assert {name.split(".")[1] for name in short if name.startswith("blocks")} == {"0"}
    groups = structure_of({name: values.shape for name, values in thin.items()}).groups
    assert {group.size for group in groups if group.kind is Kind.INNER} == {96}
    assert heads({name: values.shape for name, values in short.items()}) == {"head.weight"}
