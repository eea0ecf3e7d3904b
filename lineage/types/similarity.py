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

    similarities: tuple[str, ...] = ("l1", "l2", "cka", "cosine", "weight_l2", "weight_cosine")
    """Names from SIMILARITIES and WEIGHT_SIMILARITIES."""
    approximations: tuple[str, ...] = ("direct", "path", "linear", "taylor")
    """Some of APPROXIMATIONS."""
    alphas: tuple[float, ...] = (0.1, 0.25, 0.5, 1.0)
    """How far from the candidate to the child, in (0, 1]."""

    @property
    def tapping(self) -> Tapping:
        """Which features are looked at."""
        return Tapping(layers=self.layers, pool=self.pool, batch_norm=self.batch_norm)
