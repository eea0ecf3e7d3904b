"""Scores of a pair of networks: every similarity of a candidate and a child, at every layer. Larger = more alike."""

from collections.abc import Iterable, Sequence

import pandas as pd
import torch
from torch import Tensor, nn

from lineage.errors import UserError
from lineage.networks.backbone import Backbone, state_of
from lineage.networks.restore import BATCH_NORM, Line
from lineage.similarity.aligned import aligned
from lineage.similarity.inputs import check_networks, first_pass, list_of_names, list_of_numbers
from lineage.similarity.measures import SIMILARITIES, WEIGHT_SIMILARITIES
from lineage.similarity.pairs import (
    APPROXIMATIONS,
    COLUMNS,
    State,
    check_approximations,
    check_similarities,
    pair_scores,
    stacked,
)
from lineage.types.scoring import Similarity

ALPHAS = (0.1, 0.25, 0.5, 1.0)


def score_pair(
    parent: nn.Module,
    child: nn.Module,
    probe: Tensor,
    *,
    layers: Iterable[str] | None = None,
    approximations: Iterable[str] = APPROXIMATIONS,
    alphas: Sequence[float] = ALPHAS,
    similarities: Iterable[str] | None = None,
    pool: str = "mean",
    batch_norm: str = "moves",
    align: bool = False,
) -> pd.DataFrame:
    """All scores of a candidate parent and a child of one architecture; heads may differ.

    The child's weights are run in the candidate's structure, so both must compute alike.

    Args:
        parent: the candidate.
        child: the network whose parent is sought.
        probe: inputs [n, ...] for both, on their device.
        layers: modules to tap; by default the network's stages, without the last, the head.
        approximations: some of direct, path, linear, taylor.
        alphas: how far from the parent to the child, in (0, 1].
        similarities: names from SIMILARITIES and WEIGHT_SIMILARITIES; by default all.
        pool: how features with more than two axes become [n, d]: mean or flatten.
        batch_norm: whether running statistics go along the path with the weights: moves or stays.
        align: whether the candidate's weights are first brought to the order, scale and rotation of the child's,
            which keeps what the candidate computes; for children whose neurons someone reordered.

    Returns:
        Columns layer, similarity, approximation, alpha, score, one row a score; larger means more alike. `direct`
        has alpha 0; scores of weights have the layer `all` for the whole backbone, too. Distances (l1, l2, lp,
        linf, lse, weight_l2) are at most 0, in units of the features or weights, the others at most 1; only
        `taylor` exceeds these bounds.

    Raises:
        UserError: for an unknown name, an alpha out of range, wrapped or compiled networks, networks of different
            backbones, dtypes or devices, a probe that they cannot take, or with `align` networks whose axes are not
            known from names and shapes.

    Source:
        Yu & Wang, Neural Lineage, CVPR 2024, section 3 (arXiv:2406.11129); docs/method.md says what differs.

    Examples:
        >>> hidden = nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 6), nn.ReLU()
        >>> network = nn.Sequential(*hidden, nn.Linear(6, 2))
        >>> score_pair(network, network, torch.ones(3, 4), layers=["3"], similarities=["weight_cosine"])
          layer     similarity approximation  alpha  score
        0     3  weight_cosine        direct    0.0    1.0
        1   all  weight_cosine        direct    0.0    1.0
    """
    if similarities is None:
        similarities = [*SIMILARITIES, *WEIGHT_SIMILARITIES]
    names = list_of_names("similarities", similarities)
    approximations = list_of_names("approximations", approximations)
    alphas = list_of_numbers("alphas", alphas)
    layers = None if layers is None else list_of_names("layers", layers)
    check_networks({"parent": parent, "child": child}, probe)
    check_similarities(names)
    check_approximations(approximations, alphas)
    if batch_norm not in BATCH_NORM:
        raise UserError(f"batch_norm: expected one of {', '.join(BATCH_NORM)}, but got {batch_norm!r}")
    with first_pass("parent", parent, probe):
        backbone = Backbone(parent, probe, layers=layers, pool=pool)
    theta_p, theta_c = state_of(parent), state_of(child)
    if align:
        theta_p = aligned(theta_p, theta_c)
    line = Line.between(backbone, theta_p, theta_c)
    _refuse_added_layers(backbone, theta_p, theta_c)
    with torch.no_grad():
        child_features = backbone(theta_p | _fitting(theta_p, theta_c), probe)
    config = Similarity(
        similarities=tuple(names),
        approximations=tuple(approximations),
        alphas=tuple(alphas),
        pool=pool,
        batch_norm=batch_norm,
    )
    rows = pair_scores(line, probe, stacked(child_features), config)
    return pd.DataFrame(rows, columns=COLUMNS)


def _fitting(theta_p: State, theta_c: State) -> State:
    """The child's tensors that fit the parent's structure; its head may not."""
    return {
        name: theta_c[name]
        for name, tensor in theta_p.items()
        if name in theta_c and theta_c[name].shape == tensor.shape
    }


def _refuse_added_layers(backbone: Backbone, theta_p: State, theta_c: State) -> None:
    """Raises a UserError if the child has weights among the tapped layers that the candidate lacks."""
    inside = {prefix for layer in backbone.layers for prefix in (layer, layer.rpartition(".")[0]) if prefix}
    for name in theta_c:
        if name not in theta_p and any(name.startswith(f"{prefix}.") for prefix in inside):
            raise UserError(
                f"{name}: expected it in the candidate as in the child, but the candidate has none; "
                "compare networks of one architecture"
            )
