"""What networks added to the weights of an ancestor, and how much of that another network contains.

A descendant of a network contains its weight update ΔW over an ancestor: all of it, in every direction and every
matrix. A sibling contains what both learnt alike: too little or, where it went farther the same way, too much, and
mostly along the strongest singular directions. So the share is taken of the whole, direction by direction, along the
weaker ones alone, and after whitening by what all of them changed.
"""

from collections.abc import Mapping
from functools import cached_property

import numpy as np

from lineage.relation.spectrum import EXACT, Spectrum, bulk

LEAST_ENERGY = 1e-3
"""Singular directions with less than this share of the strongest one's energy carry no information."""
RIDGE = 1e-2
"""Added to each energy before whitening, as a share of their mean."""

Shares = Mapping[str, float]


class WeightUpdate:
    """What a network added to one matrix of an ancestor.

    ΔW = X − bA, with b the share of the bulk of the ancestor's directions that X retains.

    Args:
        values: ΔW, [n, m], n ≤ m.
        rounding: a ‖ΔW‖ up to this is rounding, as is a direction's singular value.
    """

    def __init__(self, values: np.ndarray, rounding: float):
        self.values, self._rounding = values, rounding

    @cached_property
    def gram(self) -> np.ndarray:
        """ΔWΔWᵀ."""
        return self.values @ self.values.T

    @cached_property
    def size(self) -> float:
        """‖ΔW‖."""
        return float(np.sqrt(np.trace(self.gram)))

    @property
    def is_rounding(self) -> bool:
        """Whether nothing else is in it, as a whole or in any direction."""
        return self.size <= self._rounding or not self._directions[1].size

    @cached_property
    def _directions(self) -> tuple[np.ndarray, np.ndarray]:
        """The singular directions that are no rounding, strongest first, and their energies."""
        energies, left = np.linalg.eigh(self.gram)
        energies, left = energies[::-1], left[:, ::-1]
        significant = energies > max(LEAST_ENERGY * energies[0], self._rounding**2)
        return left[:, significant], energies[significant]

    def shares_in(self, update: "WeightUpdate") -> Shares:
        """How much of this update another network's update V contains; about 1 for a descendant's V.

        Neither may be rounding.

        Returns:
            whole: ⟨V, ΔW⟩ / ‖ΔW‖². typical: over the singular directions u of ΔW, the median of
            uᵀVΔWᵀu / uᵀΔWΔWᵀu. weak: the mean over the weaker half of them, about 0 for a sibling's V.
        """
        left, energies = self._directions
        along = np.einsum("ik,ik->k", left, (update.values @ self.values.T) @ left) / energies
        return {
            "whole": float(np.vdot(update.values, self.values)) / self.size**2,
            "typical": float(np.median(along)),
            "weak": float(np.mean(along[len(along) // 2 :])),
        }


def shares_both_ways(first: WeightUpdate, second: WeightUpdate) -> tuple[Shares, Shares] | None:
    """How much of one network's update another one's contains, and the reverse; None if either is rounding.

    Returns:
        The shares of `WeightUpdate.shares_in`, and white: of the whole after whitening by what both changed, since
        the ancestor and apart from each other.
    """
    if first.is_rounding or second.is_rounding:
        return None
    apart = second.values - first.values
    whiten = whitener(first.gram + second.gram + apart @ apart.T, RIDGE)
    white_first, white_second = whiten @ first.values, whiten @ second.values
    common = float(np.vdot(white_first, white_second))
    return (
        {**first.shares_in(second), "white": common / float(np.vdot(white_first, white_first))},
        {**second.shares_in(first), "white": common / float(np.vdot(white_second, white_second))},
    )


def whitener(covariance: np.ndarray, ridge: float) -> np.ndarray:
    """The inverse root of a covariance [n, n] with a share `ridge` of its mean variance added; the identity of 0."""
    energies, vectors = np.linalg.eigh(covariance)
    mean = float(energies.mean())
    if mean <= 0:
        return np.eye(len(covariance))
    return (vectors / np.sqrt(np.maximum(energies, 0) + ridge * mean)) @ vectors.T


class Ancestor:
    """One matrix of an ancestor: [n, m], n ≤ m."""

    def __init__(self, values: np.ndarray):
        self._values, self._spectrum = values, Spectrum(values)
        self._rounding = EXACT * float(np.linalg.norm(values))

    def update_of(self, descendant: np.ndarray) -> WeightUpdate:
        """What a network of the same shape added."""
        retained = bulk(self._spectrum.retained_by(descendant))
        return WeightUpdate(descendant - retained * self._values, self._rounding)
