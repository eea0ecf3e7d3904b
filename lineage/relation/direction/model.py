"""The fitted model of direction: boosted trees, and the scores from which they are believed."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lineage.relation.direction.between import Between, Passage
from lineage.relation.direction.estimate import UNKNOWN, Estimate, is_whole, share_of
from lineage.relation.direction.lost import opposite
from lineage.relation.direction.trees import Trees

THIRDS = "thirds"
"""The feature that tells how many third relatives a pair has; missing without one."""


def is_beside_thirds(features: Mapping[str, float]) -> bool:
    """Whether third relatives say something of a pair."""
    return not math.isnan(features.get(THIRDS, math.nan))


@dataclass(frozen=True)
class Cuts:
    """Scores of at least `accepted_from` are taken for yes, of at most `rejected_to` for no."""

    accepted_from: float
    rejected_to: float


@dataclass(frozen=True)
class Level:
    """Whether a candidate moved less than `bound` of the child's change.

    trees: a score; alone, beside: its cuts for a pair alone and for one beside third relatives, each at its error;
    slope, intercept: of the probability's logit in the score.
    """

    bound: float
    trees: Trees
    alone: Cuts
    beside: Cuts
    slope: float
    intercept: float

    def probability(self, score: float) -> float:
        """Of yes, calibrated (Platt 1999)."""
        return float(1 / (1 + np.exp(-(self.slope * score + self.intercept))))


@dataclass(frozen=True)
class Model:
    """Estimates shares from features, see `lineage.auditing.stages.describing`.

    features: names of the columns; share: trees for the share; levels: narrowest first, the last at RESOLUTION;
    passage: whether a third network lies on the way between two others; error_alone, error_beside: how often a level
    is accepted or rejected wrongly, for a pair alone and beside third relatives; fitted_on: what.
    """

    features: Sequence[str]
    share: Trees
    levels: Sequence[Level]
    passage: Between
    error_alone: float
    error_beside: float
    fitted_on: str

    def __call__(self, features: Mapping[str, float]) -> Estimate:
        """The estimate; UNKNOWN for a pair that is not whole."""
        if not is_whole(features):
            return UNKNOWN
        rows, is_beside = rows_of([features], self.features), is_beside_thirds(features)
        forth, back = self.share(rows)
        least, most = 0.0, 1.0
        for level in self.levels:
            within = share_of(level.bound)
            cuts = level.beside if is_beside else level.alone
            of_candidate, of_child = level.trees(rows)
            if of_candidate >= cuts.accepted_from:
                most = min(most, within)
            if of_child >= cuts.accepted_from:
                least = max(least, 1 - within)
            if of_candidate <= cuts.rejected_to:
                least = max(least, within)
            if of_child <= cuts.rejected_to:
                most = min(most, 1 - within)
        if least > most:
            least, most = 0.0, 1.0
        as_ancestor, as_descendant = map(level.probability, (of_candidate, of_child))
        share = float(np.clip(0.5 + (forth - back) / 2, least, most))
        return Estimate(share, least, most, as_ancestor, as_descendant)

    def between(self, features: Mapping[str, float]) -> Passage:
        """Whether a network lies on the way from another one to the child."""
        return self.passage(features)

    def arrays(self) -> dict[str, np.ndarray]:
        """As named arrays, for a file."""
        found = (
            {
                "features": np.array(self.features),
                "errors": np.array([self.error_alone, self.error_beside]),
                "fitted_on": np.array(self.fitted_on),
                "levels": np.array(
                    [
                        (
                            level.bound,
                            *_values(level.alone),
                            *_values(level.beside),
                            level.slope,
                            level.intercept,
                        )
                        for level in self.levels
                    ]
                ),
            }
            | self.share.arrays("share.")
            | self.passage.arrays("between.")
        )
        for number, level in enumerate(self.levels):
            found |= level.trees.arrays(f"level{number}.")
        return found

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, np.ndarray]) -> "Model":
        """From named arrays."""
        levels = [
            Level(
                bound=float(bound),
                trees=Trees.of_arrays(arrays, f"level{number}."),
                alone=Cuts(*map(float, cuts[:2])),
                beside=Cuts(*map(float, cuts[2:])),
                slope=float(slope),
                intercept=float(intercept),
            )
            for number, (bound, *cuts, slope, intercept) in enumerate(arrays["levels"])
        ]
        error_alone, error_beside = map(float, arrays["errors"])
        return cls(
            features=[str(name) for name in arrays["features"]],
            share=Trees.of_arrays(arrays, "share."),
            levels=levels,
            passage=Between.of_arrays(arrays, "between."),
            error_alone=error_alone,
            error_beside=error_beside,
            fitted_on=str(arrays["fitted_on"]),
        )


def _values(cuts: Cuts) -> tuple[float, float]:
    return cuts.accepted_from, cuts.rejected_to


def rows_of(pairs: Sequence[Mapping[str, float]], features: Sequence[str]) -> np.ndarray:
    """Each pair's features, and after them those of all pairs with candidate and child exchanged: [2 n, k].

    Args:
        pairs: features by name, NaN where one is missing.
        features: names of the columns.
    """
    straight = [[pair.get(name, math.nan) for name in features] for pair in pairs]
    exchanged = [[pair.get(opposite(name), math.nan) for name in features] for pair in pairs]
    return np.array(straight + exchanged, float)
