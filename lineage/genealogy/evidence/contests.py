"""Which of two possible parents a child hangs from: where its line leaves the way between them.

Let z be what a child changed since a possible parent A, and B another one. The child leaves the way from A to B at

    share = ⟨B − A, z⟩ / ‖B − A‖²:

0 if it hangs from A, 1 if it hangs from B. What relatives learn alike lies along a few strong directions and pulls
siblings together, so the products are taken after whitening by z, its rows and its columns: a direction counts the
less the farther the child went along it (generalised least squares: Aitken 1936, doi:10.1017/S0370164600014346).
Looked at from A and from B, the whitenings differ. Only where the child stays with one and leaves the other do both
say the same; siblings that learned alike, and copies that are too near, get no contest that either wins.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import groupby, permutations

import numpy as np

from lineage.genealogy.answers import Pair
from lineage.genealogy.distances.geometry import at_one_scale
from lineage.relation.direction.updates import whitener

CORNER = (128, 256)
"""Rows and columns of a matrix that are looked at."""
POSSIBLE = 0.02
"""Probability of being an ancestor from which on a model is a possible parent; beside a rival every model is."""
RIVAL = 0.05
"""The same, of a rival."""
FLOOR = 0.02
"""A smaller share is not told from 0."""
MOST = 2.0
"""Most that a contest says, as a logarithm."""
RIDGE = 0.05
"""Added to the variance of a child's change in every direction, relative to its mean."""


class Contests:
    """Of every possible parent of each model, how clearly it wins against the others.

    Args:
        points: some matrices of all models, see `lineage.genealogy.distances.points`.
        ancestor: of pairs, the probability that the first is an ancestor of the second.
        merges: places of merges, whose parents are found in another way.
    """

    def __init__(
        self, points: Sequence[np.ndarray], ancestor: Mapping[Pair, float], merges: Collection[int] = ()
    ):
        possible: dict[int, list[int]] = {}
        likeliest: dict[int, float] = {}
        for (_, child), probability in ancestor.items():
            likeliest[child] = max(probability, likeliest.get(child, 0.0))
        for (parent, child), probability in ancestor.items():
            if (probability >= POSSIBLE or likeliest[child] >= RIVAL) and child not in merges:
                possible.setdefault(child, []).append(parent)
        self.pairs: list[Pair] = [
            (parent, child) for child, parents in possible.items() for parent in parents
        ]
        found = [
            (parent, child, rival)
            for child, parents in possible.items()
            for parent, rival in permutations(parents, 2)
            if max(ancestor[parent, child], ancestor[rival, child]) >= RIVAL
        ]
        place_of = {contest: place for place, contest in enumerate(found)}
        pair_of = {pair: place for place, pair in enumerate(self.pairs)}
        self._pair = np.array([pair_of[parent, child] for parent, child, _ in found], int)
        self._mirror = np.array([place_of[rival, child, parent] for parent, child, rival in found], int)
        self._counts = np.array([ancestor[rival, child] >= RIVAL for _, child, rival in found], bool)
        self._rival = np.array([pair_of[rival, child] for _, child, rival in found], int)
        parts = [list(self._measured(matrices, found)) for matrices in points]
        self._parts = np.array(parts, float).reshape(len(points), len(found), 2)

    @property
    def parts(self) -> int:
        """Parts of the weights, which can be drawn again: the matrices."""
        return len(self._parts)

    def evidence(self, chosen: Sequence[int] | np.ndarray, possible: np.ndarray | None = None) -> np.ndarray:
        """Of each of the pairs, the log of how much nearer to its parent than to any rival the child stays.

        Args:
            chosen: parts of the weights; possible: of each pair, whether it can be an edge, else it is no rival.
        """
        products, sizes = self._parts[chosen].sum(0).T
        shares = np.abs(products) / np.maximum(sizes, 1e-30)
        said = np.clip(np.log((shares[self._mirror] + FLOOR) / (shares + FLOOR)), -MOST, MOST)
        counts = self._counts if possible is None else self._counts & possible[self._rival]
        least = np.full(len(self.pairs), MOST)
        np.minimum.at(least, self._pair[counts], said[counts])
        return least

    def _measured(
        self, matrices: np.ndarray, contests: Sequence[tuple[int, int, int]]
    ) -> Iterator[tuple[float, float]]:
        """Of every contest ⟨B − A, z⟩ and ‖B − A‖² in one matrix, in units of z's variance there."""
        values = at_one_scale(matrices[:, : CORNER[0], : CORNER[1]].astype(np.float64))
        for (parent, child), same in groupby(contests, key=lambda contest: contest[:2]):
            change = values[child] - values[parent]
            left, right = (whitener(square, RIDGE) for square in (change @ change.T, change.T @ change))
            white = left @ change @ right
            variance = max(float(np.mean(white**2)), 1e-30)
            for *_, rival in same:
                apart = left @ (values[rival] - values[parent]) @ right
                yield float(np.vdot(apart, white)) / variance, float(np.vdot(apart, apart)) / variance
