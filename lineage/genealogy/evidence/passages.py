"""Whether a child's line passes a possible parent, seen from third models.

Siblings that were trained alike share the strongest singular directions of their updates, so distances take the
lighter of them for the parent of the heavier one. But seen from any third model that does not descend from the child,
a child contains all that its parent differs by, in its details too, and exactly once; of what a sibling differs by it
contains nothing, a part, or a multiple. The model of direction weighs these shares as in audits.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache

import numpy as np

from lineage.auditing.stages.thirds.passing import Direction
from lineage.genealogy.answers import Pair
from lineage.genealogy.distances.geometry import Nearest
from lineage.relation.direction.between import pooled_shares
from lineage.relation.direction.updates import Ancestor, WeightUpdate, shares_both_ways

CORNER = (128, 256)
"""Rows and columns whose updates are compared."""
MOST_MATRICES = 4
THIRDS = 3
"""Third models that a possible parent and child are seen from: the nearest to the parent."""
LEAST = 0.02
"""A passage is not believed to be less probable, and nor is its opposite; nor are less probable parents looked at."""
DESCENDS = 0.5
"""Probability from which on a third model descends from the child."""
HELD = 256
"""Updates that are not forgotten, a quarter of a megabyte each."""


class Passages:
    """What third models say of possible parents.

    Args:
        points: some matrices of all models; nearest: of each model, some others.
        ancestor: of pairs, the probability that the first is an ancestor of the second.
        direction: tells whether a model lies on the way; merges: places of merges, which lie on several lines.
    """

    def __init__(
        self,
        points: Sequence[np.ndarray],
        nearest: Nearest,
        ancestor: Mapping[Pair, float],
        direction: Direction,
        merges: Collection[int] = (),
    ):
        self._points, self._nearest = points[:MOST_MATRICES], nearest
        self._ancestor, self._direction, self._merges = ancestor, direction, merges
        self._start = lru_cache(maxsize=HELD)(self._new_start)
        self._update = lru_cache(maxsize=HELD)(self._new_update)

    def evidence(self) -> dict[Pair, float]:
        """Of every possible parent and child, the log of the least probability that the child's line passes it."""
        return {
            (parent, child): self._least(parent, child)
            for (parent, child), probability in self._ancestor.items()
            if probability >= LEAST and child not in self._merges
        }

    def _least(self, parent: int, child: int) -> float:
        known = [self.probability(third, parent, child) for third in self._thirds(parent, child)]
        found = min((value for value in known if value is not None), default=0.5)
        return math.log(min(max(found, LEAST), 1 - LEAST))

    def _thirds(self, parent: int, child: int) -> list[int]:
        near = [int(place) for place in self._nearest.places[parent]]
        near = [place for place in near if place != child and place not in self._merges]
        above = [place for place in near if self._ancestor.get((child, place), 0.0) < DESCENDS]
        return above[:THIRDS]

    def probability(self, third: int, parent: int, child: int) -> float | None:
        """That a model lies on the way from a third one to a child; None where all differences are rounding."""
        both = [
            shares_both_ways(self._update(number, third, parent), self._update(number, third, child))
            for number in range(len(self._points))
        ]
        known = [shares for shares in both if shares is not None]
        if not known:
            return None
        in_child = pooled_shares([forth for forth, _ in known], "contained_")
        in_parent = pooled_shares([back for _, back in known], "back_")
        return self._direction.between(in_child | in_parent).probability

    def _new_start(self, number: int, model: int) -> Ancestor:
        return Ancestor(self._values(number, model))

    def _new_update(self, number: int, start: int, model: int) -> WeightUpdate:
        return self._start(number, start).update_of(self._values(number, model))

    def _values(self, number: int, model: int) -> np.ndarray:
        return self._points[number][model, : CORNER[0], : CORNER[1]].astype(np.float64)
