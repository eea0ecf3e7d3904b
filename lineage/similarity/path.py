"""Features on the straight line from each candidate to each child, for a detector that looks there."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from lineage.networks.backbone import Backbone, state_of
from lineage.networks.restore import change, on, on_path, restored
from lineage.progress import Tracked
from lineage.storage.hdf5 import Weights
from lineage.types.scoring import Network, Tapping

State = dict[str, Tensor]


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
