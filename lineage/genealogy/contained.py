"""How much of a parent's weight update a child contains, over the parent's own parent: once, if it is the parent.

Siblings that were trained alike share the strongest singular directions of their updates, so distances take the
lighter of them for the parent of the heavier one. But a child contains all of its parent's update, in its details
too, and exactly once; of a sibling's it contains nothing, a part, or a multiple.
"""

from collections.abc import Sequence
from functools import cache, lru_cache

import numpy as np

from lineage.relation.direction.updates import Ancestor, WeightUpdate

CORNER = (128, 256)
"""Rows and columns whose updates are compared."""
MOST_MATRICES = 5
ONCE = (0.7, 1.9)
"""Bounds of the share: a run's steps go on in one direction, so its later states contain more than one of each."""
OF_EACH = 0.2
"""The least share in any matrix."""
HELD = 256
"""Updates that are not forgotten, a quarter of a megabyte each."""


class Contained:
    """Updates of the models of a family, computed when they are needed.

    Args:
        points: some matrices of all models, [n, rows, columns] each, see `lineage.genealogy.geometry`.
    """

    def __init__(self, points: Sequence[np.ndarray]):
        self._points = points[:MOST_MATRICES]
        self.is_once = cache(self._is_once)
        self._ancestor = lru_cache(maxsize=HELD)(self._new_ancestor)
        self._update = lru_cache(maxsize=HELD)(self._new_update)

    def _is_once(self, grandparent: int, parent: int, child: int) -> bool:
        """Whether a child contains a parent's update over a grandparent once; True where there is no update."""
        known = [
            update.shares_in(self._update(number, grandparent, child))["weak"]
            for number in range(len(self._points))
            if not (update := self._update(number, grandparent, parent)).is_rounding
        ]
        if not known:
            return True
        return ONCE[0] <= float(np.median(known)) <= ONCE[1] and min(known) >= OF_EACH

    def _new_ancestor(self, number: int, model: int) -> Ancestor:
        return Ancestor(self._values(number, model))

    def _new_update(self, number: int, ancestor: int, model: int) -> WeightUpdate:
        return self._ancestor(number, ancestor).update_of(self._values(number, model))

    def _values(self, number: int, model: int) -> np.ndarray:
        return self._points[number][model, : CORNER[0], : CORNER[1]].astype(np.float64)
