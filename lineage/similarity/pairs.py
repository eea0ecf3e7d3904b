"""Scores of pairs: of a candidate and a child, and of a block of children, under every approximation.

An approximation says where fine-tuning would have moved a candidate's features on the way to the child.
theta_p and theta_c are the weights of a candidate and of the child, Delta = theta_c - theta_p, J the
Jacobian of the features F at theta_p, s a similarity. n samples, d features, A alphas.

- direct: s(F(theta_p)); alpha 0
- path:   s(F(theta_p + alpha Delta)), the real features on the straight line; one forward pass an alpha.
          Alpha 1 is left out: there the features are the child's own, whoever the candidate
- linear: s(F(theta_p) + alpha J Delta)
- taylor: s(F(theta_p)) + alpha <ds/dF, J Delta>, the paper's; unbounded, so it can overshoot

J Delta comes from one jvp (forward-mode differentiation) for `linear` and `taylor` together, at all alphas.

Source: Yu & Wang, Neural Lineage, CVPR 2024, section 3 (arXiv:2406.11129).
"""

import contextlib
import warnings
from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor
from torch.func import jvp
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import linear
from torch.overrides import TorchFunctionMode

from lineage.errors import UserError
from lineage.networks.backbone import Backbone, state_of
from lineage.networks.restore import Aligned, Line, Models, on
from lineage.progress import Tracked
from lineage.similarity.measures import SIMILARITIES, WEIGHT_SIMILARITIES, Representation, compare
from lineage.storage.hdf5 import Features
from lineage.types.scoring import Similarity

APPROXIMATIONS = ("direct", "path", "linear", "taylor")

POWERS = {"l2": 2, "lp": 4}
"""Similarities that the paper expands before it takes the root: s = -m^(1/power), m a mean power."""
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


def check_approximations(approximations: Iterable[str], alphas: Sequence[float]) -> None:
    """Raises a UserError for an unknown approximation, an alpha outside (0, 1], or none below 1 for `path`."""
    if unknown := sorted(set(approximations) - set(APPROXIMATIONS)):
        raise UserError(
            f"approximations: expected some of {', '.join(APPROXIMATIONS)}, but got {unknown[0]!r}"
        )
    if outside := [alpha for alpha in alphas if not 0 < alpha <= 1]:
        raise UserError(f"alphas: expected numbers in (0, 1], but got {outside[0]}")
    if "path" in approximations and not any(alpha < 1 for alpha in alphas):
        raise UserError(
            "alphas: expected one below 1 for path: at 1 every candidate has the child's own features"
        )


@torch.no_grad()
def linearised(backbone: Backbone, parent: State, delta: State, probe: Tensor) -> tuple[State, State]:
    """F(theta_p) and J Delta [n, d] of every layer; running statistics stay the candidate's.

    Fused attention has no forward-mode rule, hence plain maths.

    Args:
        backbone: F.
        parent: theta_p, parameters and buffers.
        delta: Delta, of the backbone's parameters alone.
        probe: inputs [n, ...].
    """
    with _plain_attention(), _LinearLayers(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`torch.jit.script` is deprecated", FutureWarning)
        return jvp(
            lambda moving: backbone(parent | moving, probe),
            ({name: parent[name] for name in delta},),
            (delta,),
        )


class _LinearLayers(TorchFunctionMode):
    """Linear layers that multiply no zeros for a derivative by inputs where these stand still, as a probe."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        """The function, but for a linear layer with a bias, in plain positional form."""
        if function is linear and len(args) == 3 and args[2] is not None:
            return _LinearLayer.apply(*args)
        return function(*args, **(kwargs or {}))


class _LinearLayer(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return linear(x, weight, bias)

    @staticmethod
    def setup_context(ctx, inputs: tuple, output: Tensor) -> None:
        ctx.set_materialize_grads(False)
        ctx.save_for_forward(*inputs)

    @staticmethod
    def jvp(ctx, moved: Tensor | None, of_weight: Tensor | None, of_bias: Tensor | None) -> Tensor:
        x, weight, _ = ctx.saved_tensors
        slope = 0.0 if of_bias is None else of_bias
        for values, weights in ((moved, weight), (x, of_weight)):
            if values is not None and weights is not None:
                slope = slope + values @ weights.mT
        return slope


@contextlib.contextmanager
def _plain_attention() -> Iterator[None]:
    """Makes attention compute step by step."""
    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)


@torch.no_grad()
def taylor(
    features: Representation,
    slope: Tensor,
    child: Representation,
    names: Sequence[str],
    alphas: Sequence[float],
) -> dict[str, Tensor]:
    """Scores [A, ...] of each similarity by its first-order expansion at F(theta_p) along J Delta.

    A score above what the similarity can reach is an overshoot and is given as it is: where the paper clips l2
    and lp at 0 before the root, the root here keeps the sign.

    Args:
        features: F(theta_p) [..., n, d]; slope: J Delta, of their shape.
        child: the child's features.
        names: similarities of features.
        alphas: the paper's grad scales.
    """
    F = features.features
    values, rates = jvp(
        lambda moving: compare(Representation(moving, features), child, names), (F,), (slope,)
    )
    steps = torch.tensor(alphas, dtype=F.dtype, device=F.device).reshape(-1, *[1] * (F.ndim - 2))
    scores = {}
    for name in names:
        power = POWERS.get(name, 1)
        mean_power = (-values[name]) ** power - steps * power * (-values[name]) ** (power - 1) * rates[name]
        scores[name] = -mean_power.sign() * mean_power.abs() ** (1 / power)
    return scores


def stacked(features: State) -> Stacks:
    """Layers whose features have one shape, each group with its features [L, n, d]: compared in one go."""
    groups: dict[torch.Size, list[str]] = {}
    for layer, values in features.items():
        groups.setdefault(values.shape, []).append(layer)
    return [(layers, Representation(_stack(features, layers))) for layers in groups.values()]


def pair_scores(
    line: Line,
    probe: Tensor,
    child: Stacks,
    config: Similarity,
    parent: Stacks | None = None,
) -> Iterator[Row]:
    """Rows (layer, similarity, approximation, alpha, score) of one pair; see `score_pair`.

    Args:
        line: from the candidate to the child.
        probe: inputs [n, ...].
        child: the child's features, `stacked`: [L, n, d] of L layers.
        config: which scores; its layers are the line's own.
        parent: the candidate's features, stacked likewise, where they are known already.
    """
    of_features = [name for name in config.similarities if name in SIMILARITIES]
    approximations, alphas = config.approximations if of_features else (), config.alphas

    def rows(
        approximation: str, layers: list[str], steps: Sequence[float], scores: dict[str, Tensor]
    ) -> Iterator[Row]:
        for similarity, values in scores.items():
            by_step = values.reshape(len(steps), len(layers)).tolist()
            for alpha, of_layers in zip(steps, by_step, strict=True):
                for layer, score in zip(layers, of_layers, strict=True):
                    yield layer, similarity, approximation, alpha, score

    if "direct" in approximations:
        if parent is None:
            with torch.no_grad():
                parent = stacked(line.backbone(line.parent, probe))
        for (layers, F), (_, G) in zip(parent, child, strict=True):
            yield from rows("direct", layers, (0.0,), compare(F, G, of_features))
    if "path" in approximations:
        for alpha in (alpha for alpha in alphas if alpha < 1):
            features = line.features(probe, alpha, config.batch_norm)
            for layers, G in child:
                yield from rows("path", layers, (alpha,), compare(_stack(features, layers), G, of_features))
    if not {"linear", "taylor"}.isdisjoint(approximations):
        features, slopes = linearised(line.backbone, line.parent, line.delta, probe)
        for place, (layers, G) in enumerate(child):
            F, slope = _stack(features, layers), _stack(slopes, layers)
            if "linear" in approximations:
                steps = torch.tensor(alphas, dtype=F.dtype, device=F.device).reshape(-1, 1, 1, 1)
                yield from rows("linear", layers, alphas, compare(F + steps * slope, G, of_features))
            if "taylor" in approximations:
                known = None if parent is None else parent[place][1]
                if known is None or not torch.equal(known.features, F):  # fused attention rounds otherwise
                    known = Representation(F)
                yield from rows("taylor", layers, alphas, taylor(known, slope, G, of_features, alphas))
    groups = line.backbone.parameters | {WHOLE: line.backbone.parameter_names}
    yield from weight_scores(groups, line.parent, line.child, names=config.similarities)


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
    models: Models,
    features: Features,
    probe: Tensor,
    config: Similarity,
    *,
    tracked: Tracked,
    aligned: Aligned | None = None,
) -> Iterator[dict]:
    """Rows of SCORES of children against candidates, from files of their weights and features.

    The children's weights and what their features alone give are held; candidates come and go.

    Args:
        children: ids; candidates: ids.
        models: all of them; features: files of theirs.
        probe: inputs [n, ...] that the features were computed on.
        config: which scores.
        tracked: says how far it is.
        aligned: what is done to each candidate's weights beside a child's before anything is computed of them.

    Raises:
        UserError: for an unknown similarity or approximation, or models of several architectures.
    """
    check_similarities(config.similarities)
    check_approximations(config.approximations, config.alphas)
    device = models.device
    probe = probe.to(device)
    thetas = {child: models.state(child) for child in children}
    represented = {child: stacked(on(device, features(child))) for child in children}
    for candidate in tracked(candidates, f"candidates x {len(children)} children"):
        parent = models.restored(candidate)
        backbone = Backbone(parent, probe, layers=features.layers, pool=config.pool)
        theta_p, of_parent = state_of(parent), stacked(on(device, features(candidate)))
        for child in (child for child in children if child != candidate):
            start, known = theta_p, of_parent
            if aligned is not None:
                start, known = aligned(candidate, theta_p, thetas[child]), None
            line = Line.between(backbone, start, thetas[child])
            for row in pair_scores(line, probe, represented[child], config, known):
                yield {"child": child, "candidate": candidate} | dict(zip(COLUMNS, row, strict=True))


def _stack(features: State, layers: list[str]) -> Tensor:
    return torch.stack([features[layer] for layer in layers])
