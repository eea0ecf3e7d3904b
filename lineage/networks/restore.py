"""A network of an experiment with the weights of a state dict."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from lineage.networks.architectures import build, classes_of
from lineage.networks.backbone import Backbone
from lineage.types.inputs import Network


def restored(network: Network, state: dict[str, Tensor]) -> nn.Module:
    """A network with the weights of a state dict."""
    size = {"channels": network.channels, "image_size": network.image_size}
    classes = classes_of(network.name, state, **size)
    net = build(network.name, classes=classes, **size, seed=0)
    net.load_state_dict(state)
    return net


def traced(
    network: Network, state: dict[str, Tensor], layers: Iterable[str] | None, pool: str = "mean"
) -> Backbone:
    """The backbone of an experiment's network; `state` only tells the size of its head."""
    size = (1, network.channels, network.image_size, network.image_size)
    return Backbone(restored(network, state), torch.zeros(size), layers=layers, pool=pool)
