"""Copies: relatives that are one another, or the child, but for rounding, pruning or a head.

A copy stands where its source does, whatever the child is to the two. As a third relative it would leave their path
there, as if its source lay between the child and all others.
"""

import itertools
import math
from collections.abc import Callable, Sequence

import numpy as np

from lineage.auditing.stages.candidates import Relative
from lineage.relation.direction.thirds import AT_CHILD
from lineage.relation.scars.marks import marks
from lineage.relation.scars.scar import source_of
from lineage.relation.scars.search import COPIES
from lineage.relation.spectrum import EXACT

Matrices = Sequence[np.ndarray]


def shared_places(relatives: Sequence[Relative], are_alike: Callable[[int, int], bool]) -> list[int]:
    """The place where each relative stands: AT_CHILD, or the number of the first of the copies of one network.

    Args:
        relatives: of a child; are_alike: whether two of them are copies, by number.
    """
    places = list(range(len(relatives)))
    for second, relative in enumerate(relatives):
        if _is_at_child(relative):
            places[second] = AT_CHILD
    for first, second in itertools.combinations(range(len(relatives)), 2):
        if places[first] != places[second] and are_alike(first, second):
            stays, goes = sorted((places[first], places[second]))
            places = [stays if place == goes else place for place in places]
    return places


def _is_at_child(relative: Relative) -> bool:
    """Whether the child and a relative are the same weights, or one is a copy of the other."""
    comparison = relative.comparison
    is_same = all(comparison.changes.get(name, math.inf) <= EXACT for name in relative.tests)
    return is_same or source_of(comparison.scars) is not None


def are_copies(first: Matrices, second: Matrices) -> bool:
    """Whether one network is the other but for rounding and pruning, in nearly all matrices that differ, by size."""
    pairs = [(a, b) for a, b in zip(first, second, strict=True) if not _is_equal(a, b)]
    left = (1 - COPIES) * sum(a.size for a, _ in pairs)
    for a, b in pairs:
        if not any(mark.is_copy for mark in itertools.chain(marks(a, b), marks(b, a))):
            left -= a.size
            if left < 0:
                return False
    return True


def _is_equal(first: np.ndarray, second: np.ndarray) -> bool:
    return float(np.linalg.norm(first - second)) <= EXACT * float(np.linalg.norm(first))
