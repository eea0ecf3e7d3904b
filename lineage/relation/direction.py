"""Which of two relatives is the ancestor of the other: how far along their change they parted.

The answer is a share with an interval, not a name: ‖a‖² / (‖a‖² + ‖c‖²), a and c being what candidate and child
changed since their last common ancestor. 0: the candidate is an ancestor; 1: a descendant; ½: both moved equally.
Exchanging candidate and child turns each share into 1 − share, and so both ends of the interval.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from lineage.relation.relations import Relation

RESOLUTION = 0.35
"""A candidate that moved less than this share of the child's own change is not told apart from their common ancestor:
the largest bound with which a parent is named."""
LARGEST_SHARE = RESOLUTION**2 / (1 + RESOLUTION**2)
"""The same, as a share."""
FLOOR = 0.05
"""Half an interval, at least."""


@dataclass(frozen=True)
class Estimate:
    """The share, and an interval that holds it at the stated error."""

    share: float
    least: float
    most: float

    @property
    def bound(self) -> float:
        """The child branched off within this share of its own change from the candidate: ‖a‖ / ‖c‖, at most."""
        return float(np.sqrt(self.most / (1 - self.most))) if self.most < 1 else float("inf")

    @property
    def relation(self) -> Relation:
        """What the interval allows; an ancestor may be the parent."""
        if self.most <= LARGEST_SHARE:
            return Relation.ANCESTOR
        if self.least >= 1 - LARGEST_SHARE:
            return Relation.DESCENDANT
        if self.least > LARGEST_SHARE and self.most < 1 - LARGEST_SHARE:
            return Relation.SIBLING
        return Relation.UNDETERMINED

    def swapped(self) -> "Estimate":
        """Of the same pair with candidate and child exchanged."""
        return Estimate(1 - self.share, 1 - self.most, 1 - self.least)


UNKNOWN = Estimate(0.5, 0.0, 1.0)
"""Where nothing shows a direction."""


def estimated(features: Mapping[str, float]) -> Estimate:
    """The share lost, from what each lost of the other along the strongest directions of their change.

    Args:
        features: of a pair, see `lineage.relation.lost.pooled`.

    Returns:
        UNKNOWN without a matrix, or where neither lost anything.
    """
    of_candidate, of_child = (max(features.get(f"lost.{end}", 0.0), 0.0) for end in ("candidate", "child"))
    both = of_candidate + of_child
    if both <= 0:
        return UNKNOWN
    share = of_candidate / both
    return Estimate(share, max(0.0, share - FLOOR), min(1.0, share + FLOOR))
