"""What networks added to the weights of an ancestor, and how much of that another network contains.

Siblings that were trained alike share the strongest singular directions of their weight updates; only descendants
share the details. So the share is taken along the weaker singular directions alone.
"""

from functools import cached_property

import numpy as np

from lineage.relation.spectrum import EXACT, Spectrum, bulk

LEAST_ENERGY = 1e-3
"""Singular directions with less than this share of the strongest one's energy carry no information."""


class WeightUpdate:
    """What a network added to one matrix of an ancestor.

    ΔW = X − bA, with b the share of the bulk of the ancestor's directions that X retains.

    Args:
        values: ΔW, [n, m], n ≤ m.
        rounding: a ‖ΔW‖ up to this is rounding.
    """

    def __init__(self, values: np.ndarray, rounding: float):
        self.values, self._rounding = values, rounding

    @cached_property
    def size(self) -> float:
        """‖ΔW‖."""
        return float(np.linalg.norm(self.values))

    @cached_property
    def _weaker(self) -> tuple[np.ndarray, np.ndarray]:
        """The weaker half of the singular directions that are no rounding, and their energies."""
        energies, left = np.linalg.eigh(self.values @ self.values.T)
        significant = np.flatnonzero(energies > max(LEAST_ENERGY * energies[-1], self._rounding**2))
        weaker = significant[: (len(significant) + 1) // 2]
        return left[:, weaker], energies[weaker]

    def share_in(self, update: "WeightUpdate") -> float:
        """How much of this update another network's update V contains.

        Returns:
            The mean of uᵀVΔWᵀu / uᵀΔWΔWᵀu over the weaker singular directions u of ΔW: about 1 for a descendant's
            V, 0 for that of a network that was trained from the ancestor independently; NaN if ΔW is rounding.
        """
        left, energies = self._weaker
        if not energies.size:
            return float("nan")
        along = np.einsum("ik,ik->k", left, (update.values @ self.values.T) @ left)
        return float(np.mean(along / energies))


class Ancestor:
    """One matrix of an ancestor: [n, m], n ≤ m."""

    def __init__(self, values: np.ndarray):
        self._values, self._spectrum = values, Spectrum(values)
        self._rounding = EXACT * float(np.linalg.norm(values))

    def update_of(self, descendant: np.ndarray) -> WeightUpdate:
        """What a network of the same shape added."""
        retained = bulk(self._spectrum.retained_by(descendant))
        return WeightUpdate(descendant - retained * self._values, self._rounding)
