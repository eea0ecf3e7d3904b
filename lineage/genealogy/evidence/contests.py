"""Which of two possible parents a child hangs from: where its line leaves the way between them.

Let z be what a child changed since a possible parent A, and B another one. The child leaves the way from A to B at

    share = ⟨B − A, z⟩ / ‖B − A‖²:

0 if it hangs from A, 1 if it hangs from B. What relatives learn alike lies along a few strong directions and pulls
siblings together, so the products are taken after whitening by z, its rows and its columns: a direction counts the
less the farther the child went along it (generalised least squares: Aitken 1936, doi:10.1017/S0370164600014346).
Looked at from A and from B, the whitenings differ. Only where the child stays with one and leaves the other do both
say the same; siblings that learned alike, and copies that are too near, get no contest that either wins. Nor do two
that the child lies between, as it does between its parent and its own child: there the way leaves nothing of the
child's aside, and what is left is what a contest is weighed by.
"""

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import groupby, permutations

import numpy as np

from lineage.genealogy.answers import Pair
from lineage.genealogy.distances.geometry import at_one_scale

CORNER = (128, 256)
"""Rows and columns of a matrix that are looked at."""
POSSIBLE = 0.02
"""Probability of being an ancestor from which on a model enters contests; beside a rival every model does."""
RIVAL = 0.05
"""The same, of a rival."""
FLOOR = 0.02
"""A smaller share is not told from 0."""
MOST = 2.0
"""Most that a contest says, as a logarithm."""
RIDGE = 0.05
"""Added to the variance of a child's change in every direction, relative to its mean."""


class Contests:
    """Of every model that may be another one's parent, how clearly it wins against the others.

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
        self._pairs: list[Pair] = [
            (parent, child) for child, parents in possible.items() for parent in parents
        ]
        found = [
            (parent, child, rival)
            for child, parents in possible.items()
            for parent, rival in permutations(parents, 2)
            if max(ancestor[parent, child], ancestor[rival, child]) >= RIVAL
        ]
        place_of = {contest: place for place, contest in enumerate(found)}
        pair_of = {pair: place for place, pair in enumerate(self._pairs)}
        self._pair = np.array([pair_of[parent, child] for parent, child, _ in found], int)
        self._rival = np.array([pair_of[rival, child] for _, child, rival in found], int)
        self._counts = np.array([ancestor[rival, child] >= RIVAL for _, child, rival in found], bool)
        mirror = np.array([place_of[rival, child, parent] for parent, child, rival in found], int)
        sums = np.zeros((len(found), 2))
        for matrices in points:
            sums += np.array(list(self._measured(matrices, found)), float).reshape(-1, 2)
        products, sizes = sums.T
        shares = np.abs(products) / np.maximum(sizes, 1e-30)
        said = np.clip(np.log((shares[mirror] + FLOOR) / (shares + FLOOR)), -MOST, MOST)
        whole = sum(math.prod(corner(matrices).shape[1:]) for matrices in points)
        from_nearer = np.minimum(whole, whole + sizes - 2 * products)
        aside = np.clip((whole - products) / np.maximum(from_nearer, 1e-9), 0, 1)
        self._said = said * np.minimum(aside, aside[mirror])

    def evidence(self, barred: Collection[Pair] = ()) -> dict[Pair, float]:
        """Of each of the pairs, the log of how much nearer to its parent than to any rival the child stays.

        Args:
            barred: pairs that cannot be an edge, and so are no rivals.
        """
        possible = np.array([pair not in barred for pair in self._pairs], bool)
        counts = self._counts & possible[self._rival]
        least = np.full(len(self._pairs), MOST)
        np.minimum.at(least, self._pair[counts], self._said[counts])
        return dict(zip(self._pairs, least.tolist(), strict=True))

    def _measured(
        self, matrices: np.ndarray, contests: Sequence[tuple[int, int, int]]
    ) -> Iterator[tuple[float, float]]:
        """Of every contest ⟨B − A, z⟩ and ‖B − A‖² in one matrix, in units of z's variance there."""
        values = at_one_scale(corner(matrices).astype(np.float64))
        if values.shape[1] > values.shape[2]:
            values = values.swapaxes(1, 2)
        for (parent, child), same in groupby(contests, key=lambda contest: contest[:2]):
            apart = (values[rival] - values[parent] for *_, rival in same)
            yield from whitened_products(values[child] - values[parent], apart)


def whitened_products(change: np.ndarray, apart: Iterable[np.ndarray]) -> Iterator[tuple[float, float]]:
    """⟨D, z⟩ and ‖D‖² of differences D after whitening by a change z, in units of the whitened z's variance.

    The rows are weighed by R⁻¹ and the columns by C⁻¹, R = zzᵀ and C = zᵀz with RIDGE of their mean variance ρ added.
    With R's vectors u, its energies e, and Q = uᵀDzᵀu, C⁻¹ need not be computed (Woodbury 1950):
    uᵀDC⁻¹Dᵀu = (‖uᵀD‖² − Σ Q² / (e + ρ)) / ρ.

    Args:
        change: z, [n, m], n ≤ m; apart: the differences, [n, m] each.
    """
    energies, left = np.linalg.eigh(change @ change.T)
    energies = np.maximum(energies, 0)
    of_rows, of_columns = (RIDGE * float(energies.sum()) / size or 1.0 for size in change.shape)
    by_row, by_column = 1 / (energies + of_rows), 1 / (energies + of_columns)
    variance = max(float(np.sum(energies * by_row * by_column)) / change.size, 1e-30)
    of_change = change.T @ left
    for difference in apart:
        turned = left.T @ difference
        along = turned @ of_change
        beside = (np.einsum("ij,ij->i", turned, turned) - along**2 @ by_column) / of_columns
        yield float(along.diagonal() @ (by_row * by_column)) / variance, float(beside @ by_row) / variance


def corner(matrices: np.ndarray) -> np.ndarray:
    """The rows and columns of matrices [n, rows, columns] that are looked at."""
    return matrices[:, : CORNER[0], : CORNER[1]]
