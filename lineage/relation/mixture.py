"""Several parents: the child as a mixture of candidates, by non-negative least squares.

A_k: candidates' weights as columns, c: the child's; w = argmin ‖A w − c‖², w ≥ 0 (Lawson & Hanson 1974).

Candidates around a child are always mixed to something nearer to it than each of them: of n descendants that moved
equally in orthogonal directions, the mean is as near as one n-th of each one's squared distance. So what a mixture
explains says little; what shows a merge is that its parts' differences from the child cancel.
"""

from dataclasses import dataclass

import numpy as np

SMALLEST = 0.05
"""Weight of a parent, at least."""
SUM = (0.97, 1.03)
"""Bounds of the sum of the weights: what is left of a network by weight decay is no merge of its siblings."""
MOST_LEFT = 0.04
"""What is left of the parts' differences, at most: what rounding and a little training after a merge leave.

1 is left of orthogonal differences."""
EXACT = 0.002
"""What storing a merge in half precision leaves: less than between any networks on their way through training."""


@dataclass(frozen=True)
class Mixture:
    """weights: of each candidate; left: ‖A w − c‖² / Σ w_k² ‖A_k − c‖², the share that does not cancel."""

    weights: dict[str, float]
    left: float

    @property
    def is_merge(self) -> bool:
        """Whether two or more candidates are mixed, and their differences from the child cancel."""
        return (
            len(self.parents) >= 2
            and SUM[0] <= sum(self.weights.values()) <= SUM[1]
            and self.left <= MOST_LEFT
        )

    @property
    def is_exact(self) -> bool:
        """Whether nothing but a merge can be the reason, whatever a pair alone shows of its direction."""
        return self.is_merge and self.left <= EXACT

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
    from scipy.optimize import nnls

    values, vectors = np.linalg.eigh(gram)
    positive = values > 1e-10 * values[-1]
    root = np.sqrt(values[positive])[:, None] * vectors[:, positive].T
    weights, _ = nnls(root, (vectors[:, positive].T @ products) / np.sqrt(values[positive]))
    rest = unexplained(weights, gram, products, energy)
    alone = float(weights**2 @ np.maximum(energy - 2 * products + np.diagonal(gram), 0.0))
    left = rest / alone if alone > 1e-9 * energy else 1.0
    return Mixture(dict(zip(names, map(float, weights), strict=True)), float(left))


def unexplained(weights: np.ndarray, gram: np.ndarray, products: np.ndarray, energy: float) -> float:
    """‖A w − c‖² from inner products, named as in `mixture`; not below 0, which rounding alone could give."""
    return max(0.0, float(energy - 2 * weights @ products + weights @ gram @ weights))
