"""Features on the straight line from each candidate to each child, for a detector that looks there."""

from collections.abc import Iterator, Sequence

from torch import Tensor

from lineage.networks.backbone import Backbone, state_of
from lineage.networks.restore import Line, Models
from lineage.progress import Tracked
from lineage.types.scoring import Tapping

State = dict[str, Tensor]


def path_features(
    children: Sequence[str],
    candidates: Sequence[str],
    models: Models,
    probe: Tensor,
    config: Tapping,
    alpha: float,
    *,
    tracked: Tracked,
) -> Iterator[tuple[str, str, State]]:
    """(child, candidate, features [n, d] of each layer at alpha) of every pair.

    Args:
        children: ids; candidates: ids.
        models: all of them.
        probe: inputs [n, ...].
        config: which features.
        alpha: how far from the candidate to the child.
        tracked: says how far it is.
    """
    probe = probe.to(models.device)
    thetas = {child: models.state(child) for child in children}
    for candidate in tracked(candidates, f"candidates x {len(children)} children"):
        parent = models.restored(candidate)
        backbone = Backbone(parent, probe, layers=config.layers, pool=config.pool)
        for child, theta_c in thetas.items():
            line = Line.between(backbone, state_of(parent), theta_c)
            yield child, candidate, line.features(probe, alpha, config.batch_norm)
