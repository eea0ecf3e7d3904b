"""Features on the straight line from each candidate to each child, for a detector that looks there."""

from collections.abc import Iterator, Sequence

from torch import Tensor

from lineage.networks.backbone import Backbone, state_of
from lineage.networks.matrices import weight_matrix
from lineage.networks.restore import Aligned, Line, Models
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
    aligned: Aligned | None = None,
) -> Iterator[tuple[str, str, State]]:
    """(child, candidate, features [n, d] of each layer at alpha) of every pair; of aligned ones a matrix of each too.

    Args:
        children: ids; candidates: ids.
        models: all of them.
        probe: inputs [n, ...].
        config: which features.
        alpha: how far from the candidate to the child.
        tracked: says how far it is.
        aligned: what is done to each candidate's weights beside a child's first.
    """
    probe = probe.to(models.device)
    thetas = {child: models.state(child) for child in children}
    for candidate in tracked(candidates, f"candidates x {len(children)} children"):
        parent = models.restored(candidate)
        backbone = Backbone(parent, probe, layers=config.layers, pool=config.pool)
        for child, theta_c in thetas.items():
            theta_p, shown = state_of(parent), {}
            if aligned is not None:
                theta_p = aligned(candidate, theta_p, theta_c)
                shown = {name: theta_p[name] for name in _matrices(backbone, theta_p)}
            line = Line.between(backbone, theta_p, theta_c)
            yield child, candidate, line.features(probe, alpha, config.batch_norm) | shown


def _matrices(backbone: Backbone, state: State) -> list[str]:
    """The weight matrix of each tapped layer that has one."""
    shapes = {name: tensor.shape for name, tensor in state.items()}
    with_weights = {
        layer: names
        for layer, names in backbone.parameters.items()
        if any(len(shapes[name]) > 1 for name in names)
    }
    return [weight_matrix(shapes, layer, names) for layer, names in with_weights.items()]
