"""Whether a tree's step goes on in the direction of the one before, or back."""

from collections.abc import Sequence

import numpy as np

from lineage.genealogy.answers import Pair
from lineage.genealogy.arborescence import NO_PARENT, Parents
from lineage.genealogy.distances.geometry import Distances

STRAIGHT = 0.1
"""Cosine of two steps in a row from which on they are of one training line."""
BACK = 0.5
"""Share of a step's length from which on it goes back."""


class Steps:
    """The steps of a tree, from each parent to its child.

    Args:
        parents: of each model; matrices: of all models, see `lineage.genealogy.distances.points`.
        distances: of the same models.
    """

    def __init__(self, parents: Parents, matrices: Sequence[np.ndarray], distances: Distances):
        self._parents, self._matrices, self._distances = parents, matrices, distances
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

    def going_back(self) -> frozenset[Pair]:
        """The steps that undo a part of the one before: the child stands between its parent and its grandparent.

        Squared distances add up along a tree, so a grandparent leaves the way from the parent to the child at 0 of
        its length if the child came later, and at 1 if the child lies between the two.
        """
        taken = [
            (before, parent, child)
            for child, parent in self._parents.items()
            if parent != NO_PARENT and (before := self._parents[parent]) != NO_PARENT
        ]
        if not taken:
            return frozenset()
        step, earlier, both = (
            self._distances.by_part(pairs).sum(0)
            for pairs in (
                [(parent, child) for _, parent, child in taken],
                [(before, parent) for before, parent, _ in taken],
                [(before, child) for before, _, child in taken],
            )
        )
        back = step + earlier - both >= 2 * BACK * step
        return frozenset(
            (parent, child) for (_, parent, child), is_back in zip(taken, back, strict=True) if is_back
        )

    def _cosine(self, first: int, second: int, third: int) -> float:
        """Of the steps from the first to the second, and from the second to the third."""
        dot = sizes = others = 0.0
        for values in self._matrices:
            step, following = values[second] - values[first], values[third] - values[second]
            dot += float(np.vdot(step, following))
            sizes += float(np.vdot(step, step))
            others += float(np.vdot(following, following))
        return dot / max(np.sqrt(sizes * others), 1e-30)
