"""Whether networks have norms is told by names and numbers as their modules tell it."""

import numpy as np
import pytest
import timm
import torch
import torchvision
from torch import nn

from lineage.families.networks import ARCHITECTURES, network
from lineage.relation.comparison import Pair, compare
from lineage.relation.direction.norms import are_enough, are_factors, norms_among
from lineage.relation.matching import match
from lineage.relation.tensor_names import matrices

OF_TORCHVISION = [
    "resnet18", "vgg11_bn", "mobilenet_v3_small", "densenet121", "vit_b_16", "alexnet", "vgg11", "squeezenet1_0"
]  # fmt: skip
OF_TIMM = [
    "convnext_atto", "mixer_s32_224", "resnetv2_50d_gn", "efficientvit_b0", "deit_tiny_patch16_224", "resmlp_12_224",
    "dm_nfnet_f0", "efficientnet_b0",
]  # fmt: skip
WITHOUT = {"alexnet", "vgg11", "squeezenet1_0", "resmlp_12_224", "dm_nfnet_f0"}
OWN_WITHOUT = {"mlp", "lstm", "plain-conv", "funnel", "shallow", "gru"}
NORMS = (nn.modules.batchnorm._BatchNorm, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)


def published(name: str) -> nn.Module:
    """A network of torchvision or timm, on the meta device."""
    with torch.device("meta"):
        return timm.create_model(name) if name in OF_TIMM else torchvision.models.get_model(name)


def numbers_of(net: nn.Module, factor: float) -> dict[str, np.ndarray]:
    """Numbers as training leaves them: factors about one size, all else about 0; variances that are positive."""
    draw = np.random.default_rng(0)
    factors = {f"{name}.weight" for name, module in net.named_modules() if isinstance(module, NORMS)}
    state = {}
    for name, tensor in net.state_dict().items():
        spread = np.asarray(draw.standard_normal(tensor.shape[:1]) * 0.3)
        values = factor * np.exp(spread) if name in factors or name.endswith("running_var") else spread
        state[name] = np.broadcast_to(values.reshape(values.shape + (1,) * (tensor.ndim - 1)), tensor.shape)
    return state


def told(state: dict[str, np.ndarray]) -> set[str]:
    """The modules that count as norms."""
    found = norms_among({name: values.shape for name, values in state.items()})
    return {
        name.rpartition(".")[0] for name, is_named in found.items() if is_named or are_factors(state[name])
    }


def norms_of(net: nn.Module) -> set[str]:
    """The modules that are norms with factors for eight channels or more."""
    return {
        name
        for name, module in net.named_modules()
        if isinstance(module, NORMS) and any(len(values) >= 8 for values in module.parameters())
    }


@pytest.mark.parametrize("factor", [1.0, 0.05])
@pytest.mark.parametrize("name", [*OF_TORCHVISION, *OF_TIMM])
def test_norms_of_published_networks_are_told_whatever_their_factors_are(name, factor):
    net = published(name)
    state = numbers_of(net, factor)
    found = told(state)
    assert found <= norms_of(net)
    if factor == 1.0:
        assert found == norms_of(net)
    count = len(matrices({name: values.shape for name, values in state.items()}))
    assert are_enough(len(found), count) == (name not in WITHOUT)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_networks_of_families_have_the_norms_of_their_modules(name):
    net = network(name, width=64, classes=10, seed=0)
    state = {tensor: values.numpy() for tensor, values in net.state_dict().items()}
    assert told(state) == norms_of(net)
    count = len(matrices({tensor: values.shape for tensor, values in state.items()}))
    assert are_enough(len(told(state)), count) == (name not in OWN_WITHOUT)


OTHERS = {
    "slopes of a PReLU": {"act.weight": np.full(64, 0.4)},
    "alpha of Snake": {"act.alpha": np.ones((1, 64, 1)), "act.bias": np.ones(64)},
    "gain of a scaled convolution": {"conv.gain": np.ones((64, 1, 1, 1)), "conv.bias": np.ones(64)},
    "a bias that is positive": {"conv.weight": np.ones((64, 3)), "conv.bias": np.ones(64)},
    "scales of a layer": {"ls1.gamma": np.ones(64)},
    "an affine map": {"norm1.alpha": np.ones((1, 1, 64)), "norm1.beta": np.zeros((1, 1, 64))},
    "factors about 0 under no name": {"body.1.weight": np.zeros(64), "body.1.bias": np.zeros(64)},
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_vectors_are_no_norms(name):
    assert not told(OTHERS[name])


@pytest.mark.parametrize(
    "name",
    [
        "model.layers.0.input_layernorm.weight", "blk.3.attn_norm.weight", "encoder.block.0.layer_norm.weight",
        "h.0.ln_1.weight", "transformer.ln_f.weight", "visual.ln_post.weight", "layers.1.rms_1.scale", "bn1.weight",
    ],
)  # fmt: skip
def test_norms_without_biases_are_told_by_name(name):
    assert norms_among({name: (64,)}) == {name: True}


class Tensors:
    """Named arrays in memory."""

    def __init__(self, state: dict[str, np.ndarray]):
        self.state = state
        self.entries = {name: Entry(values.shape) for name, values in state.items()}

    def read(self, name: str) -> np.ndarray:
        return self.state[name]


class Entry:
    dtype = "float32"

    def __init__(self, shape: tuple[int, ...]):
        self.shape = shape


def state_of(factor: float) -> dict[str, np.ndarray]:
    draw = np.random.default_rng(1)
    return {
        "a.weight": draw.standard_normal((96, 80)).astype(np.float32),
        "b.weight": np.full(96, factor, np.float32),
        "b.bias": np.zeros(96, np.float32),
        "c.weight": draw.standard_normal((80, 96)).astype(np.float32),
    }


@pytest.mark.parametrize(("candidate", "child", "both"), [(1, 1.2, 1), (1, 0, 1), (0, 1, 1), (0.01, 0.01, 0)])
def test_a_pair_has_norms_where_either_network_shows_them(candidate, child, both):
    theirs, ours = state_of(candidate), state_of(child)
    ours["a.weight"] = ours["a.weight"] + 0.1
    shapes = {name: values.shape for name, values in ours.items()}
    pair = Pair(Tensors(ours), Tensors(theirs), match(shapes, shapes))
    compared = compare(pair, ["a.weight", "c.weight"])
    assert compared.has_norms == bool(both)
    assert compared.features["norms"] == both
