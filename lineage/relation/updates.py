"""What networks added to the weights of an ancestor, and how much of that another holds.

Siblings that were trained alike share the strongest of their news; only descendants share the details. So the share
is taken along the weaker singular directions alone.
"""

from functools import cached_property

import numpy as np

from lineage.relation.comparison import EXACT
from lineage.relation.direction import middle, spectrum


class News:
    """One matrix of a network, less what it keeps of its ancestor's.

    N = X − bA, with b the share of the ancestor's middling directions that X keeps.

    Args:
        values: N, [n, m], n ≤ m.
        rounding: a ‖N‖ up to this is no news.
    """

    def __init__(self, values: np.ndarray, rounding: float):
        self.values, self._rounding = values, rounding

    @cached_property
    def size(self) -> float:
        """‖N‖."""
        return float(np.linalg.norm(self.values))

    @cached_property
    def _weak(self) -> tuple[np.ndarray, np.ndarray]:
        """The weaker half of the singular directions that tell anything, and their energies."""
        energies, left = np.linalg.eigh(self.values @ self.values.T)
        telling = np.flatnonzero(energies > max(1e-3 * energies[-1], self._rounding**2))
        weaker = telling[: (len(telling) + 1) // 2]
        return left[:, weaker], energies[weaker]

    def share_held_by(self, other: "News") -> float:
        """The mean of uᵀHNᵀu / uᵀNNᵀu over the weaker singular directions u of N; H are the other's news.

        About 1 for a descendant, 0 for a network that was trained from the ancestor apart; NaN without news.
        """
        left, energies = self._weak
        if not energies.size:
            return float("nan")
        held = np.einsum("ik,ik->k", left, (other.values @ self.values.T) @ left)
        return float(np.mean(held / energies))


class Ancestor:
    """One matrix of an ancestor: [n, m], n ≤ m."""

    def __init__(self, values: np.ndarray):
        self._values, self._along = values, spectrum(values)
        self._rounding = EXACT * float(np.linalg.norm(values))

    def news_of(self, descendant: np.ndarray) -> News:
        """What a network of the same shape added."""
        return News(descendant - middle(self._along(descendant)) * self._values, self._rounding)
