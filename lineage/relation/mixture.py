"""Several parents: the child as a mixture of candidates, by non-negative least squares.

A_k: candidates' weights as columns, c: the child's; w = argmin ‖A w − c‖², w ≥ 0 (Lawson & Hanson 1974).
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls

SMALLEST = 0.05
"""Weight of a parent, at least."""
SUM = (0.85, 1.15)
"""Bounds of the sum of the weights."""
EXPLAINED = 0.75
"""Share that a mixture explains, at least, of what the closest candidate alone leaves unexplained."""


@dataclass(frozen=True)
class Mixture:
    """weights: of each candidate; explained: share of ‖c − nearest‖² that the mixture explains."""

    weights: dict[str, float]
    explained: float

    @property
    def is_merge(self) -> bool:
        """Whether two or more candidates are mixed, and that explains the child much better than any one alone."""
        return (
            len(self.parents) >= 2
            and SUM[0] <= sum(self.weights.values()) <= SUM[1]
            and self.explained >= EXPLAINED
        )

    @property
    def parents(self) -> dict[str, float]:
        """The candidates with a weight that counts, heaviest first."""
        heavy = {name: weight for name, weight in self.weights.items() if weight >= SMALLEST}
        return dict(sorted(heavy.items(), key=lambda item: -item[1]))


def mixture(names: list[str], gram: np.ndarray, products: np.ndarray, energy: float) -> Mixture:
    """The non-negative mixture from inner products alone.

    Args:
        names: of the K candidates.
        gram: [K, K], AᵀA; products: [K], Aᵀc; energy: ‖c‖².
    """
    values, vectors = np.linalg.eigh(gram)
    positive = values > 1e-10 * values[-1]
    root = np.sqrt(values[positive])[:, None] * vectors[:, positive].T
    weights, _ = nnls(root, (vectors[:, positive].T @ products) / np.sqrt(values[positive]))
    left = max(0.0, energy - 2 * weights @ products + weights @ gram @ weights)
    nearest = float((energy - 2 * products + np.diagonal(gram)).min())
    explained = 1 - left / nearest if nearest > 1e-9 * energy else 0.0
    return Mixture(dict(zip(names, map(float, weights), strict=True)), float(explained))
