"""Whether a tree's step goes on in the direction of the one before."""

from collections.abc import Sequence

import numpy as np

from lineage.genealogy.arborescence import NO_PARENT, Parents

STRAIGHT = 0.1
"""Cosine of two steps in a row from which on they are of one training line."""


class Steps:
    """The steps of a tree, from each parent to its child.

    Args:
        parents: of each model; matrices: of all models, see `lineage.genealogy.distances.points`.
    """

    def __init__(self, parents: Parents, matrices: Sequence[np.ndarray]):
        self._parents, self._matrices = parents, matrices
        self._children: dict[int, list[int]] = {}
        for child, parent in parents.items():
            self._children.setdefault(parent, []).append(child)

    def is_straight(self, child: int) -> bool:
        """Whether a step goes on in the direction of the one before, or one after in its own."""
        parent = self._parents[child]
        before = self._parents.get(parent, NO_PARENT)
        if before != NO_PARENT and self._cosine(before, parent, child) >= STRAIGHT:
            return True
        after = self._children.get(child, [])
        return any(self._cosine(parent, child, place) >= STRAIGHT for place in after)

    def _cosine(self, first: int, second: int, third: int) -> float:
        """Of the steps from the first to the second, and from the second to the third."""
        dot = sizes = others = 0.0
        for values in self._matrices:
            step, following = values[second] - values[first], values[third] - values[second]
            dot += float(np.vdot(step, following))
            sizes += float(np.vdot(step, step))
            others += float(np.vdot(following, following))
        return dot / max(np.sqrt(sizes * others), 1e-30)
