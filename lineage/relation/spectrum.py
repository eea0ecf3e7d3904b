"""The singular directions of a matrix, and how much of each of them another matrix retains."""

from functools import cached_property

import numpy as np

CORNER = (128, 512)
"""Rows and columns whose whole spectrum is taken; a change's strongest directions are sought in all of them."""
MOST_ROWS, MOST_COLUMNS = 512, 4608
EXACT = 1e-6
"""A relative change that storing in float32 can make."""
FEWEST = 32
"""Matrices with fewer rows or columns have no bulk to speak of."""


NORMAL = 0.6745
"""The median of |x| of a standard normal x."""


class Spectrum:
    """The singular directions of a matrix [n, m], n ≤ m, strongest first."""

    def __init__(self, values: np.ndarray):
        energies, left = np.linalg.eigh(values @ values.T)
        smallest = 1e-12 * max(float(energies[-1]), 1e-30)
        self._values, self._left = values, left[:, ::-1]
        self._energies = np.maximum(energies[::-1], smallest)

    def retained_by(self, descendant: np.ndarray) -> np.ndarray:
        """The share uᵀDv/s that a matrix D [n, m] retains of every singular triple (u, s, v): [n]."""
        along = np.einsum("ik,ik->k", self._left, (descendant @ self._values.T) @ self._left)
        return along / self._energies

    @cached_property
    def typical(self) -> float:
        """The standard deviation of the entries if they were normal, from the median size of every eighth."""
        return float(np.median(np.abs(self._values.ravel()[::8]))) / NORMAL

    def learnt(self, beyond: float) -> float:
        """Share of the singular values that are `beyond` times the largest of random entries of the same size.

        The size of an entry is taken from their median (Marchenko & Pastur 1967).
        """
        edge = beyond * self.typical * sum(map(np.sqrt, self._values.shape))
        return float(np.mean(self._energies > edge**2))


def bulk(shares: np.ndarray) -> float:
    """The share of the bulk: the median of the second quarter of the directions, strongest first."""
    return float(np.median(shares[len(shares) // 4 : len(shares) // 2]))


def oriented(values: np.ndarray) -> np.ndarray | None:
    """A matrix [n, ...] with the shorter side first, cut to the most rows and columns; None if it is too small."""
    flat = values.reshape(len(values), -1)
    flat = flat.T if flat.shape[0] > flat.shape[1] else flat
    return flat[:MOST_ROWS, :MOST_COLUMNS] if min(flat.shape) >= FEWEST else None


def corner(values: np.ndarray) -> np.ndarray:
    """The part of a matrix whose whole spectrum is taken, in float64."""
    return values[: CORNER[0], : CORNER[1]].astype(np.float64)
