"""Scores of pairs, of which much is known already: the rows of one pair, and of a block of children."""

from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor

from lineage.errors import UserError
from lineage.networks.backbone import Backbone, state_of
from lineage.networks.restore import change, on, on_path, restored
from lineage.progress import Tracked
from lineage.similarity.approximations import check_approximations, linearised, taylor
from lineage.similarity.measures import SIMILARITIES, WEIGHT_SIMILARITIES, Representation, compare
from lineage.storage.hdf5 import Features, Weights
from lineage.types.scoring import Network, Similarity

WHOLE = "all"
"""The layer's name in scores over all the backbone's weights."""
COLUMNS = ("layer", "similarity", "approximation", "alpha", "score")

Row = tuple[str, str, str, float, float]
State = dict[str, Tensor]
Stacks = list[tuple[list[str], Representation]]


def check_similarities(names: Iterable[str]) -> None:
    """Raises a UserError for an unknown similarity."""
    known = [*SIMILARITIES, *WEIGHT_SIMILARITIES]
    if unknown := [name for name in names if name not in known]:
        raise UserError(f"similarities: expected some of {', '.join(known)}, but got {unknown[0]!r}")


def stacked(features: State) -> Stacks:
    """Layers whose features have one shape, each group with its features [L, n, d]: compared in one go."""
    groups: dict[torch.Size, list[str]] = {}
    for layer, values in features.items():
        groups.setdefault(values.shape, []).append(layer)
    return [(layers, Representation(_stack(features, layers))) for layers in groups.values()]


def pair_scores(
    backbone: Backbone,
    theta_p: State,
    theta_c: State,
    delta: State,
    probe: Tensor,
    child: Stacks,
    *,
    names: Sequence[str],
    approximations: Iterable[str],
    alphas: Sequence[float],
    parent_features: dict[str, Tensor] | None = None,
    batch_norm: str = "moves",
) -> Iterator[Row]:
    """Rows (layer, similarity, approximation, alpha, score) of one pair; see `score_pair`.

    Args:
        backbone: of the parent's structure.
        theta_p: the candidate's parameters and buffers; theta_c: the child's.
        delta: their difference over the backbone.
        probe: inputs.
        child: the child's features, stacked.
        names: similarities of features and of weights.
        approximations: which.
        alphas: which.
        parent_features: the candidate's features where they are known already.
        batch_norm: what running statistics do along the path.
    """
    of_features = [name for name in names if name in SIMILARITIES]

    def rows(
        approximation: str, layers: list[str], steps: Sequence[float], scores: dict[str, Tensor]
    ) -> Iterator[Row]:
        for similarity, values in scores.items():
            by_step = values.reshape(len(steps), len(layers)).tolist()
            for alpha, of_layers in zip(steps, by_step, strict=True):
                for layer, score in zip(layers, of_layers, strict=True):
                    yield layer, similarity, approximation, alpha, score

    if not of_features:
        approximations = ()
    if "direct" in approximations:
        with torch.no_grad():
            features = backbone(theta_p, probe) if parent_features is None else parent_features
        for layers, G in child:
            yield from rows("direct", layers, (0.0,), compare(_stack(features, layers), G, of_features))
    if "path" in approximations:
        for alpha in (alpha for alpha in alphas if alpha < 1):
            features = on_path(backbone, theta_p, theta_c, delta, probe, alpha, batch_norm)
            for layers, G in child:
                yield from rows("path", layers, (alpha,), compare(_stack(features, layers), G, of_features))
    if not {"linear", "taylor"}.isdisjoint(approximations):
        features, slopes = linearised(backbone, theta_p, delta, probe)
        for layers, G in child:
            F, slope = _stack(features, layers), _stack(slopes, layers)
            if "linear" in approximations:
                steps = torch.tensor(alphas, dtype=F.dtype, device=F.device).reshape(-1, 1, 1, 1)
                yield from rows("linear", layers, alphas, compare(F + steps * slope, G, of_features))
            if "taylor" in approximations:
                yield from rows("taylor", layers, alphas, taylor(F, slope, G, of_features, alphas))
    yield from weight_scores(
        backbone.parameters | {WHOLE: backbone.parameter_names}, theta_p, theta_c, names=names
    )


def weight_scores(
    groups: dict[str, list[str]], theta_p: State, theta_c: State, *, names: Sequence[str]
) -> Iterator[Row]:
    """Rows of the weight similarities among `names`, one a group of parameters that isn't empty."""
    for similarity in (name for name in names if name in WEIGHT_SIMILARITIES):
        of_keys: dict[tuple[str, ...], float] = {}  # the first layer tapped may be all there is
        for layer, keys in ((layer, tuple(keys)) for layer, keys in groups.items() if keys):
            if keys not in of_keys:
                p, c = ({key: theta[key] for key in keys} for theta in (theta_p, theta_c))
                of_keys[keys] = WEIGHT_SIMILARITIES[similarity](p, c).item()
            yield layer, similarity, "direct", 0.0, of_keys[keys]


def block_scores(
    children: Sequence[str],
    candidates: Sequence[str],
    weights: Weights,
    features: Features,
    probe: Tensor,
    network: Network,
    config: Similarity,
    *,
    device: torch.device,
    tracked: Tracked,
) -> Iterator[dict]:
    """Rows of SCORES of children against candidates, from files of their weights and features.

    The children's weights and what their features alone give are held; candidates come and go.

    Args:
        children: ids; candidates: ids.
        weights: files of all of them; features: likewise.
        probe: inputs that the features were made of.
        network: the experiment's network.
        config: similarities, approximations, alphas, layers, pool.
        device: where to compute.
        tracked: says how far it is.
    """
    check_similarities(config.similarities)
    check_approximations(config.approximations, config.alphas)
    probe = probe.to(device)
    thetas = {child: on(device, weights(child)) for child in children}
    represented = {child: stacked(on(device, features(child))) for child in children}
    for candidate in tracked(candidates, f"candidates x {len(children)} children"):
        parent = restored(network, weights(candidate)).to(device)
        backbone = Backbone(parent, probe, layers=features.layers, pool=config.pool)
        theta_p, parent_features = state_of(parent), on(device, features(candidate))
        for child in (child for child in children if child != candidate):
            rows = pair_scores(
                backbone,
                theta_p,
                thetas[child],
                change(backbone, theta_p, thetas[child]),
                probe,
                represented[child],
                names=config.similarities,
                approximations=config.approximations,
                alphas=config.alphas,
                parent_features=parent_features,
                batch_norm=config.batch_norm,
            )
            for row in rows:
                yield {"child": child, "candidate": candidate} | dict(zip(COLUMNS, row, strict=True))


def _stack(features: State, layers: list[str]) -> Tensor:
    return torch.stack([features[layer] for layer in layers])
