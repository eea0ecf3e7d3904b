"""Networks with given weights: restored from a state dict, or on the straight line from one state to another.

theta_p and theta_c are the weights of a candidate and of the child, Delta = theta_c - theta_p.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from lineage.errors import UserError
from lineage.networks.architectures import build, classes_of
from lineage.networks.backbone import Backbone
from lineage.types.scoring import Network

State = dict[str, Tensor]

BATCH_NORM = ("moves", "stays")
"""What running statistics do along the path."""


def restored(network: Network, state: State) -> nn.Module:
    """A network with the weights of a state dict."""
    size = {"channels": network.channels, "image_size": network.image_size}
    classes = classes_of(network.name, state, **size)
    net = build(network.name, classes=classes, **size, seed=0)
    net.load_state_dict(state)
    return net


def traced(network: Network, state: State, layers: Iterable[str] | None, pool: str = "mean") -> Backbone:
    """The backbone of an experiment's network; `state` only tells the size of its head."""
    size = (1, network.channels, network.image_size, network.image_size)
    return Backbone(restored(network, state), torch.zeros(size), layers=layers, pool=pool)


def on(device: torch.device, tensors: State) -> State:
    """The tensors on a device."""
    return {name: tensor.to(device) for name, tensor in tensors.items()}


def change(backbone: Backbone, parent: State, child: State) -> State:
    """Delta over the backbone's parameters.

    Raises:
        UserError: if the child lacks one of them or has it in another shape.
    """
    delta = {}
    for name in backbone.parameter_names:
        if name not in child or child[name].shape != parent[name].shape:
            came = f"shape {tuple(child[name].shape)}" if name in child else "none"
            raise UserError(
                f"{name}: expected the child's to have the shape {tuple(parent[name].shape)} of the parent's, "
                f"but got {came}; compare networks of one architecture, or name layers before it"
            )
        delta[name] = child[name] - parent[name]
    return delta


@torch.no_grad()
def on_path(
    backbone: Backbone,
    parent: State,
    child: State,
    delta: State,
    probe: Tensor,
    alpha: float,
    batch_norm: str = "moves",
) -> State:
    """Features of every layer at theta_p + alpha Delta; BatchNorm's running statistics move along, or stay."""
    moved = {name: torch.add(parent[name], step, alpha=alpha) for name, step in delta.items()}
    moving = backbone.statistics if batch_norm == "moves" else ()
    statistics = {name: parent[name].lerp(child[name], alpha) for name in moving}
    return backbone(parent | moved | statistics, probe)
