"""Networks with given weights: restored from a state dict, or on the straight line from one state to another.

theta_p and theta_c are the weights of a candidate and of the child, Delta = theta_c - theta_p.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn

from lineage.errors import UserError
from lineage.networks.architectures import build, classes_of
from lineage.networks.backbone import Backbone
from lineage.storage.hdf5 import Weights
from lineage.types.scoring import Network

State = dict[str, Tensor]
Aligned = Callable[[str, State, State], State]
"""theta_p in the order of theta_c's units, by the candidate's id; see `lineage.similarity.aligned`."""

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


@dataclass(frozen=True, kw_only=True)
class Line:
    """The straight line in weight space from a candidate to a child: theta_p + alpha Delta.

    backbone: of the candidate's structure; parent, child: theta_p and theta_c, parameters and buffers; delta: their
    difference over the backbone's parameters.
    """

    backbone: Backbone
    parent: State
    child: State
    delta: State

    @classmethod
    def between(cls, backbone: Backbone, parent: State, child: State) -> Self:
        """The line of two states of one architecture; raises as `change`."""
        return cls(backbone=backbone, parent=parent, child=child, delta=change(backbone, parent, child))

    @torch.no_grad()
    def features(self, probe: Tensor, alpha: float, batch_norm: str = "moves") -> State:
        """Features [n, d] of every layer at theta_p + alpha Delta.

        Args:
            probe: inputs [n, ...].
            alpha: 0 is the candidate, 1 the child.
            batch_norm: whether running statistics go along with the weights: `moves`, or `stays`.
        """
        moved = {name: torch.add(self.parent[name], step, alpha=alpha) for name, step in self.delta.items()}
        moving = self.backbone.statistics if batch_norm == "moves" else ()
        statistics = {name: self.parent[name].lerp(self.child[name], alpha) for name in moving}
        return self.backbone(self.parent | moved | statistics, probe)


@dataclass(frozen=True, kw_only=True)
class Models:
    """The models of files of weights: of one network, on one device."""

    weights: Weights
    network: Network
    device: torch.device

    def state(self, model: str) -> State:
        """Its parameters and buffers."""
        return on(self.device, self.weights(model))

    def restored(self, model: str) -> nn.Module:
        """The model."""
        return restored(self.network, self.weights(model)).to(self.device)


def on(device: torch.device, tensors: State) -> State:
    """The tensors on a device."""
    return {name: tensor.to(device) for name, tensor in tensors.items()}
