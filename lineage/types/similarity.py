"""How the learning-free methods score a pair."""

from dataclasses import dataclass

from lineage.types.plain import Plain


@dataclass(frozen=True, kw_only=True)
class Tapping(Plain):
    """Which features of a network are looked at."""

    layers: tuple[str, ...] | None = None
    """Names of the modules tapped; None: the network's stages without the last, the head."""
    pool: str = "mean"
    """How features with more than two axes become [n, d]: `mean` or `flatten`."""
    batch_norm: str = "moves"
    """Whether running statistics go along the path with the weights: `moves` or `stays`."""


@dataclass(frozen=True, kw_only=True)
class Similarity(Tapping):
    """Which scores of a candidate and a child are computed."""

    similarities: tuple[str, ...]
    """Names from SIMILARITIES and WEIGHT_SIMILARITIES."""
    approximations: tuple[str, ...]
    """Some of APPROXIMATIONS."""
    alphas: tuple[float, ...]
    """How far from the candidate to the child, in (0, 1]."""
