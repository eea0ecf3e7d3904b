"""Which of two relatives is the ancestor of the other: how far along their change they parted.

The answer is a share with an interval, not a name: ‖a‖² / (‖a‖² + ‖c‖²), a and c being what candidate and child
changed since their last common ancestor. 0: the candidate is an ancestor; 1: a descendant; ½: both moved equally.
Exchanging candidate and child turns each share into 1 − share, and so both ends of the interval.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lineage.relation.lost import MatrixChange
from lineage.relation.relations import Relation

RESOLUTION = 0.35
"""A candidate that moved less than this share of the child's own change is not told apart from their common ancestor:
the largest bound with which a parent is named."""
LARGEST_SHARE = RESOLUTION**2 / (1 + RESOLUTION**2)
"""The same, as a share."""
SAMPLES, ERROR = 400, 0.02
"""Of the bootstrap over matrices, and how often the share may lie beyond either end of the interval."""
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


def estimated(changes: Sequence[MatrixChange]) -> Estimate:
    """The share lost, pooled over matrices, with a bootstrap interval over them.

    Args:
        changes: of a pair's matrices.

    Returns:
        UNKNOWN without a matrix.
    """
    if not changes:
        return UNKNOWN
    lost = np.array([_weighed(change) for change in changes])
    chosen = np.random.default_rng(0).integers(len(lost), size=(SAMPLES, len(lost)))
    least, most = np.quantile(_shares(lost[chosen].sum(1)), [ERROR, 1 - ERROR])
    share = float(_shares(lost.sum(0)))
    half = max(FLOOR, share - least, most - share)
    return Estimate(
        float(np.clip(share, 0, 1)),
        float(np.clip(share - half, 0, 1)),
        float(np.clip(share + half, 0, 1)),
    )


def _weighed(change: MatrixChange) -> list[float]:
    """Σps and Σs² of both sides."""
    found = []
    for side in (change.of_candidate, change.of_child):
        energies = side.strengths**2
        found += [float(side.shares @ energies), float(energies.sum())]
    return found


def _shares(sums: np.ndarray) -> np.ndarray:
    """What the child lost of the candidate, of all that either lost of the other; ½ where neither lost anything."""
    of_candidate = np.maximum(sums[..., 0] / sums[..., 1], 0)
    of_child = np.maximum(sums[..., 2] / sums[..., 3], 0)
    both = of_candidate + of_child
    return np.where(both > 0, of_candidate / np.maximum(both, 1e-30), 0.5)
