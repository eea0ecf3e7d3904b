"""Which of two relatives is the ancestor of the other: how far along their change they parted.

The answer is a share with an interval, not a name: ‖a‖² / (‖a‖² + ‖c‖²), a and c being what candidate and child
changed since their last common ancestor. 0: the candidate is an ancestor; 1: a descendant; ½: both moved equally.
Exchanging candidate and child turns each share into 1 − share, and so both ends of the interval.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, replace

import numpy as np

from lineage.relation.direction.between import Between, Passage
from lineage.relation.direction.lost import opposite
from lineage.relation.direction.trees import Trees
from lineage.relation.relations import Relation

RESOLUTION = 0.35
"""A candidate that moved less than this share of the child's own change is not told apart from their common ancestor:
the largest bound with which a parent is named."""
LEVELS = (RESOLUTION,)
"""Bounds that are tried, the narrowest first. At 0.15, pairs just beyond were taken for pairs within too often."""


def share_of(bound: float) -> float:
    """‖a‖² / (‖a‖² + ‖c‖²) where ‖a‖ / ‖c‖ is the bound."""
    return 1.0 if math.isinf(bound) else bound**2 / (1 + bound**2)


NEAR = share_of(RESOLUTION)


@dataclass(frozen=True)
class Estimate:
    """The share, an interval that holds it at the stated error, and how probable either end is.

    as_ancestor, as_descendant: probability that the share is within the resolution of 0, and of 1; None if unknown.
    """

    share: float
    least: float
    most: float
    as_ancestor: float | None = None
    as_descendant: float | None = None

    @property
    def bound(self) -> float:
        """The child branched off within this share of its own change from the candidate: ‖a‖ / ‖c‖, at most."""
        return math.sqrt(self.most / (1 - self.most)) if self.most < 1 else math.inf

    @property
    def relation(self) -> Relation:
        """What the interval allows; an ancestor may be the parent."""
        if self.most <= NEAR:
            return Relation.ANCESTOR
        if self.least >= 1 - NEAR:
            return Relation.DESCENDANT
        if self.least >= NEAR and self.most <= 1 - NEAR:
            return Relation.SIBLING
        return Relation.UNDETERMINED

    @property
    def probability(self) -> float | None:
        """Of the relation; None where it is undetermined or no model gave one."""
        if self.as_ancestor is None or self.as_descendant is None:
            return None
        of_others = max(0.0, 1 - self.as_ancestor - self.as_descendant)
        probabilities = {
            Relation.ANCESTOR: self.as_ancestor,
            Relation.DESCENDANT: self.as_descendant,
            Relation.SIBLING: of_others,
        }
        return probabilities.get(self.relation)

    def inherited(self, own: "Estimate", most: float) -> "Estimate":
        """The estimate of another network, which moved at most this share if this one is an ancestor.

        It is the other one's own, if that says more or excludes so small a share.

        Args:
            own: what its pair with the child shows.
        """
        if not own.least < most < own.most:
            return own
        as_ancestor = None if own.as_ancestor is None else max(own.as_ancestor, self.as_ancestor or 0.0)
        return replace(own, share=min(own.share, most), most=most, as_ancestor=as_ancestor)

    def swapped(self) -> "Estimate":
        """Of the same pair with candidate and child exchanged."""
        return Estimate(1 - self.share, 1 - self.most, 1 - self.least, self.as_descendant, self.as_ancestor)


UNKNOWN = Estimate(0.5, 0.0, 1.0)
"""Where nothing shows a direction."""


FLOOR = 0.05
"""Half the interval of a share without a model."""
CONTAINED = 0.75
"""Share of a network's weight update over an ancestor that its descendants contain, at least, without a model."""


class Unmodelled:
    """Estimates by one number each, where no model is fitted."""

    def __call__(self, features: Mapping[str, float]) -> Estimate:
        """The share: what the child lost of the candidate, of all that either lost of the other.

        Args:
            features: of a pair, see `lineage.relation.direction.lost.pooled`.

        Returns:
            UNKNOWN without a matrix, or where neither lost anything.
        """
        of_candidate, of_child = (
            max(features.get(f"lost.{end}", 0.0), 0.0) for end in ("candidate", "child")
        )
        if of_candidate + of_child <= 0:
            return UNKNOWN
        share = of_candidate / (of_candidate + of_child)
        return Estimate(share, max(0.0, share - FLOOR), min(1.0, share + FLOOR))

    def between(self, features: Mapping[str, float]) -> Passage:
        """Probable if the child contains the relative's weight update, and more than the reverse; never sure."""
        in_child, in_relative = (features.get(f"{name}_whole_middle", 0.0) for name in ("contained", "back"))
        return Passage(float(in_child >= CONTAINED and in_child > in_relative), is_sure=False)


unmodelled = Unmodelled()
"""The estimates without a model."""


LEAST_BULK = 0.35
"""Share of the bulk that relatives retain of each other, at least; less is left of a small part of a merge."""


def is_whole(features: Mapping[str, float]) -> bool:
    """Whether two relatives share enough for a direction: most of either's random part, which training leaves."""
    return all(features.get(f"bulk.{end}", 0.0) >= LEAST_BULK for end in ("candidate", "child"))


MOST_FILLED = 0.5
"""Share of the matrices, by size, of which one of the two has pruned entries; more show too little of a pair."""


def is_shown(features: Mapping[str, float]) -> bool:
    """Whether what each of two relatives lost can be seen: pruning hides it, unless third relatives show it."""
    return features.get("filled", 0.0) <= MOST_FILLED or "third_far.candidate" in features


@dataclass(frozen=True)
class Calibration:
    """What a score means for networks of one kind.

    accepted_from: scores at least this are taken for yes, rejected_to: at most this for no, each at the model's
    error; slope, intercept: of the probability's logit in the score.
    """

    accepted_from: float
    rejected_to: float
    slope: float
    intercept: float

    def probability(self, score: float) -> float:
        """Of yes, calibrated (Platt 1999)."""
        return float(1 / (1 + np.exp(-(self.slope * score + self.intercept))))


@dataclass(frozen=True)
class Level:
    """Whether a candidate moved less than `bound` of the child's change.

    trees: a score; without_norms, with_norms: what it means for a pair of networks without norms, and with them.
    """

    bound: float
    trees: Trees
    without_norms: Calibration
    with_norms: Calibration

    def calibration(self, features: Mapping[str, float]) -> Calibration:
        """That of a pair."""
        return self.with_norms if features.get("norms") == 1.0 else self.without_norms


@dataclass(frozen=True)
class Model:
    """Estimates shares from features, see `lineage.auditing.stages.describing`.

    features: names of the columns; share: trees for the share; levels: narrowest first, the last at RESOLUTION;
    passage: whether a third network lies on the way between two others; error: how often a level is accepted or
    rejected wrongly, of pairs with norms and of those without; fitted_on: what.
    """

    features: Sequence[str]
    share: Trees
    levels: Sequence[Level]
    passage: Between
    error: float
    fitted_on: str

    def __call__(self, features: Mapping[str, float]) -> Estimate:
        """The estimate; UNKNOWN for a pair that is not whole, or that pruning hides."""
        if not is_whole(features) or not is_shown(features):
            return UNKNOWN
        rows = rows_of([features], self.features)
        forth, back = self.share(rows)
        least, most = 0.0, 1.0
        for level in self.levels:
            within = share_of(level.bound)
            of_candidate, of_child = level.trees(rows)
            calibration = level.calibration(features)
            if of_candidate >= calibration.accepted_from:
                most = min(most, within)
            if of_child >= calibration.accepted_from:
                least = max(least, 1 - within)
            if of_candidate <= calibration.rejected_to:
                least = max(least, within)
            if of_child <= calibration.rejected_to:
                most = min(most, 1 - within)
        if least > most:
            least, most = 0.0, 1.0
        as_ancestor, as_descendant = map(calibration.probability, (of_candidate, of_child))
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
                "error": np.array(self.error),
                "fitted_on": np.array(self.fitted_on),
                "levels": np.array(
                    [
                        (level.bound, *astuple(level.without_norms), *astuple(level.with_norms))
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
                float(bound),
                Trees.of_arrays(arrays, f"level{number}."),
                without_norms=Calibration(*map(float, numbers[:4])),
                with_norms=Calibration(*map(float, numbers[4:])),
            )
            for number, (bound, *numbers) in enumerate(arrays["levels"])
        ]
        return cls(
            features=[str(name) for name in arrays["features"]],
            share=Trees.of_arrays(arrays, "share."),
            levels=levels,
            passage=Between.of_arrays(arrays, "between."),
            error=float(arrays["error"]),
            fitted_on=str(arrays["fitted_on"]),
        )


def rows_of(pairs: Sequence[Mapping[str, float]], features: Sequence[str]) -> np.ndarray:
    """Each pair's features, and after them those of all pairs with candidate and child exchanged: [2 n, k].

    Args:
        pairs: features by name, NaN where one is missing.
        features: names of the columns.
    """
    straight = [[pair.get(name, math.nan) for name in features] for pair in pairs]
    exchanged = [[pair.get(opposite(name), math.nan) for name in features] for pair in pairs]
    return np.array(straight + exchanged, float)
