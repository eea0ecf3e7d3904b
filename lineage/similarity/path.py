"""The straight line in weight space from a candidate to a child, and the features on it.

theta_p and theta_c are the weights of a candidate and of the child, Delta = theta_c - theta_p.
"""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from lineage.errors import UserError
from lineage.networks.backbone import Backbone, state_of
from lineage.networks.restore import restored
from lineage.progress import Tracked
from lineage.storage.hdf5 import Weights
from lineage.types.inputs import Network
from lineage.types.similarity import Tapping

State = dict[str, Tensor]

BATCH_NORM = ("moves", "stays")
"""What running statistics do along the path."""


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


def path_features(
    children: Sequence[str],
    candidates: Sequence[str],
    weights: Weights,
    probe: Tensor,
    network: Network,
    config: Tapping,
    alpha: float,
    *,
    device: torch.device,
    tracked: Tracked,
) -> Iterator[tuple[str, str, State]]:
    """(child, candidate, features of each layer at alpha) of every pair; arguments as in `block_scores`."""
    probe = probe.to(device)
    thetas = {child: on(device, weights(child)) for child in children}
    for candidate in tracked(candidates, f"candidates x {len(children)} children"):
        parent = restored(network, weights(candidate)).to(device)
        backbone = Backbone(parent, probe, layers=config.layers, pool=config.pool)
        theta_p = state_of(parent)
        for child, theta_c in thetas.items():
            delta = change(backbone, theta_p, theta_c)
            yield (
                child,
                candidate,
                on_path(backbone, theta_p, theta_c, delta, probe, alpha, config.batch_norm),
            )


def on(device: torch.device, tensors: State) -> State:
    """The tensors on a device."""
    return {name: tensor.to(device) for name, tensor in tensors.items()}
