"""The models of a family as points: squared distances between them that nearly add up along their tree.

What siblings learn alike makes them nearer to each other than to their parent. So weights are divided by how much of
the family's common random part each model retains (weight decay shrinks it), and directions in which the family's
models differ most are weighed less: rows and columns are whitened by the mean covariance of the differences of pairs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from lineage.genealogy.distances.points import flat
from lineage.relation.spectrum import Spectrum, bulk

MOST_PAIRS = 400
"""Pairs of a family whose differences are averaged."""
RIDGE = 1.0
"""Added to the covariance, relative to its mean variance."""
LEAST_BULK = 0.2
"""A smaller share of the common random part is not trusted as a scale."""
AT_ONCE = 256
"""Models whose distances to all others are held."""


@dataclass(frozen=True)
class Nearest:
    """The nearest others of each of n models, nearest first: their places [n, k], squared distances [n, k]."""

    places: np.ndarray
    squared: np.ndarray


class Distances:
    """Squared distances between the models of a family, computed where they are asked for.

    Args:
        points: of the family, at least one matrix, see `lineage.genealogy.distances.points`.
    """

    def __init__(self, points: Sequence[np.ndarray]):
        self._alike = [
            whitened_alike(at_one_scale(matrices.astype(np.float64))).astype(np.float32)
            for matrices in points
        ]

    def nearest(self, each: int) -> Nearest:
        """The nearest others of every model, at most `each`."""
        count = len(self._alike[0])
        each = min(each, count - 1)
        places, squared = np.zeros((count, each), int), np.zeros((count, each))
        for start in range(0, count, AT_ONCE):
            rows = np.arange(start, min(start + AT_ONCE, count))
            apart = sum(squared_from(flat(matrices), rows) for matrices in self._alike)
            apart[np.arange(len(rows)), rows] = np.inf
            places[rows] = np.argsort(apart, axis=1, kind="stable")[:, :each]
            squared[rows] = np.take_along_axis(apart, places[rows], axis=1)
        return Nearest(places, squared)

    def among(self, places: Sequence[int]) -> np.ndarray:
        """Between some of the models: [n, n]."""
        rows = np.arange(len(places))
        return sum(squared_from(flat(matrices[list(places)]), rows) for matrices in self._alike)


def at_one_scale(matrices: np.ndarray) -> np.ndarray:
    """Matrices [n, rows, columns] divided by the share of the most central one's bulk that each retains."""
    central = int(((matrices - matrices.mean(0)) ** 2).sum((1, 2)).argmin())
    spectrum = Spectrum(matrices[central])
    retained = np.array([bulk(spectrum.retained_by(values)) for values in matrices])
    scales = np.where(retained >= LEAST_BULK, retained, 1.0)
    return matrices / scales[:, None, None]


def whitened_alike(matrices: np.ndarray) -> np.ndarray:
    """Matrices [n, rows, columns] in which differences of pairs are about as large in every direction."""
    rows, columns = (np.zeros((side, side)) for side in matrices.shape[1:])
    for first, second in some_pairs(len(matrices)):
        difference = matrices[first] - matrices[second]
        energy = np.vdot(difference, difference)
        if energy > 0:
            rows += difference @ difference.T / energy
            columns += difference.T @ difference / energy
    return _inverse_root(rows) @ matrices @ _inverse_root(columns)


def some_pairs(count: int) -> list[tuple[int, int]]:
    """All pairs of so many models, or MOST_PAIRS of them at random."""
    if count * (count - 1) // 2 <= MOST_PAIRS:
        return list(combinations(range(count), 2))
    draw = np.random.default_rng(count)
    first = draw.integers(0, count, MOST_PAIRS)
    second = draw.integers(0, count - 1, MOST_PAIRS)
    return [(int(a), int(b)) for a, b in zip(first, second + (second >= first), strict=True)]


def squared_from(values: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Squared distances of some rows of an array [n, k] to all: [rows, n]."""
    values = values.astype(np.float64)
    values -= values.mean(0)
    sizes = np.einsum("nk,nk->n", values, values)
    return np.maximum(sizes[rows, None] + sizes - 2 * values[rows] @ values.T, 0.0)


def _inverse_root(covariance: np.ndarray) -> np.ndarray:
    """The inverse square root of a covariance with RIDGE added; the identity of a zero one."""
    variances, directions = np.linalg.eigh(covariance)
    mean = float(variances.mean())
    if mean <= 0:
        return np.eye(len(covariance))
    return (directions / np.sqrt(np.maximum(variances / mean, 0.0) + RIDGE)) @ directions.T
