"""Which of two relatives is the ancestor of the other, from their weights alone.

Training adds a few strong singular directions to a matrix and leaves the bulk of its spectrum nearly as it was. Two
quantities follow. Both are relative to b, the share of the bulk of the candidate's directions that the child retains
(the median of uᵀCv/s), so that weight decay, rounding, pruning and noise, which treat all directions alike, cancel:

- *retention* of A by C: the mean of uᵀCv/s over A's strongest singular directions, divided by b. A child retains
  what its parent had learnt; networks that only share an initialisation lack what the other has learnt.
- *position* of A along the change D = C − bA: −⟨A, D⟩ over D's strongest singular directions, as a share of ‖D‖²
  there. It is 0 if all of the change was added to A, 1 if all of it was taken away from A, and in between for two
  networks that moved from a common ancestor.

A relative that has hardly moved from the common ancestor has position 0 too: it is indistinguishable from a parent.
docs/audit.md gives the measurements on which the bounds rest.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from lineage.relation.spectrum import Spectrum, bulk, corner, oriented

STRONGEST_OF_MATRIX, STRONGEST_OF_CHANGE = 8, 4
"""Singular directions of A, and of the change, that are looked at."""
STEPS = 12
"""Of subspace iteration, ample for directions that stand out."""
PRUNED = 0.05
"""A share of exact zeros from which on a matrix counts as pruned."""
NO_BULK = 0.02
"""Where the child retains no more than this share of the bulk, retention is not defined."""
RETENTION_OF_PARENT = (0.96, 1.2)
"""Bounds of the retention of a parent by its child."""
MOST_LOST, SLACK = 0.5, 1e-3
"""What the child lost of its parent's directions is at most this share of what the parent lacks of the child's;
relatives that moved from a common ancestor lack as much of each other."""
POSITION_OF_PARENT = (-1.5, 0.35)
"""Bounds of a parent's position; below 0 where training goes on in directions that the parent had already."""


class Reading(StrEnum):
    """Which of a candidate and a child is the ancestor."""

    CANDIDATE_FIRST = "candidate first"
    CHILD_FIRST = "child first"
    UNCLEAR = "unclear"


@dataclass(frozen=True)
class Direction:
    """Retention of the candidate by the child and the reverse, and the candidate's position."""

    of_candidate: float
    of_child: float
    position: float

    @property
    def reading(self) -> Reading:
        """Which of the two is the ancestor, by the bounds above."""
        if _retains(self.of_candidate, self.of_child) and _within(self.position, POSITION_OF_PARENT):
            return Reading.CANDIDATE_FIRST
        if _retains(self.of_child, self.of_candidate) and _within(1 - self.position, POSITION_OF_PARENT):
            return Reading.CHILD_FIRST
        return Reading.UNCLEAR


def measured(candidate: np.ndarray, child: np.ndarray) -> Direction | None:
    """Retention both ways and the position, of one matrix.

    Of a pruned child, only the entries that are not 0 are compared for retention; for the position, the pruned ones
    count as unchanged.

    Args:
        candidate, child: [n, ...] of one shape.

    Returns:
        None if the matrix is too small, or the child retains nothing of its bulk.
    """
    candidate, child = oriented(candidate), oriented(child)
    if candidate is None:
        return None
    pruned = child == 0
    if pruned.mean() < PRUNED:
        pruned = np.zeros_like(pruned)
    of_candidate, of_child = corner(np.where(pruned, 0, candidate)), corner(child)
    forth, back = Spectrum(of_candidate).retained_by(of_child), Spectrum(of_child).retained_by(of_candidate)
    if not np.isfinite(_retention(forth) + _retention(back)):
        return None
    if not pruned.any():
        return Direction(_retention(forth), _retention(back), _position(candidate, child, bulk(forth)))
    return Direction(
        _retention(forth), _retention(back), position(candidate, np.where(pruned, candidate, child))
    )


def overall(found: list[tuple[Direction | None, int]]) -> Direction | None:
    """Mean retention by size and median position over matrices, given with their sizes; None without any."""
    usable = [(direction, size) for direction, size in found if direction is not None]
    if not usable:
        return None
    sizes = [size for _, size in usable]
    return Direction(
        float(np.average([direction.of_candidate for direction, _ in usable], weights=sizes)),
        float(np.average([direction.of_child for direction, _ in usable], weights=sizes)),
        float(np.median([direction.position for direction, _ in usable])),
    )


def retention(ancestor: np.ndarray, descendant: np.ndarray) -> float:
    """How well a network retains the strongest singular directions of another, relative to the bulk of them.

    Args:
        ancestor, descendant: [n, m], n ≤ m.

    Returns:
        NaN where nothing of the bulk is retained.
    """
    return _retention(Spectrum(ancestor).retained_by(descendant))


def _retention(shares: np.ndarray) -> float:
    of_bulk = bulk(shares)
    return float(shares[:STRONGEST_OF_MATRIX].mean()) / of_bulk if abs(of_bulk) > NO_BULK else float("nan")


def position(candidate: np.ndarray, child: np.ndarray) -> float:
    """Where the candidate lies on the change's strongest directions: 0 at their beginning, 1 at their end."""
    return _position(candidate, child, bulk(Spectrum(corner(candidate)).retained_by(corner(child))))


def _position(candidate: np.ndarray, child: np.ndarray, retained: float) -> float:
    """The position, by subspace iteration on the change (Halko, Martinsson & Tropp 2011, doi:10.1137/090771806)."""
    change = child - np.asarray(retained, child.dtype) * candidate
    start = np.random.default_rng(0).standard_normal((change.shape[1], 2 * STRONGEST_OF_CHANGE))
    left = change @ start.astype(change.dtype)
    for _ in range(STEPS):
        left, _ = np.linalg.qr(change @ (change.T @ left))
    turned, strengths, right = np.linalg.svd(left.T @ change, full_matrices=False)
    along = np.einsum("ki,ij,kj->k", (left @ turned).T, candidate, right, optimize=True)[:STRONGEST_OF_CHANGE]
    strengths = strengths[:STRONGEST_OF_CHANGE]
    return -float(along @ strengths) / max(float(strengths @ strengths), 1e-30)


def _retains(of_ancestor: float, of_descendant: float) -> bool:
    """Whether one retains its ancestor as children retain parents, and lost less of it than it added."""
    lost, added = max(0.0, 1 - of_ancestor), max(0.0, 1 - of_descendant)
    return _within(of_ancestor, RETENTION_OF_PARENT) and lost <= MOST_LOST * added + SLACK


def _within(value: float, bounds: tuple[float, float]) -> bool:
    return bounds[0] <= value <= bounds[1]
