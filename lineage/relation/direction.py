"""Which of two relatives came first, from their weights alone.

Training adds a few strong directions to a matrix and leaves the rest of its spectrum nearly as it was. Two
quantities follow, both relative to b, the share of the candidate's middling directions that the child keeps (the
median of uᵀCv/s), so that weight decay, rounding, pruning and noise, which treat all directions alike, cancel:

- *retention* of A by C: the mean of uᵀCv/s over A's strongest singular directions, divided by b. A child keeps
  what its parent had learnt; networks that only share an initialisation lack what the other has learnt.
- *position* of A along the change D = C − bA: −⟨A, D⟩ over D's strongest singular directions, as a share of ‖D‖²
  there. It is 0 if all of the change was added to A, 1 if all of it was taken away from A, and in between for two
  that moved from a common origin.

A relative that has hardly moved from the common origin has position 0 too: it cannot be told from a parent.
docs/audit.md gives what was measured, on which the bounds rest.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

STRONGEST, NEWEST = 8, 4
"""Singular directions of A, and of the change, that are looked at."""
CORNER = (256, 1024)
"""Rows and columns whose whole spectrum is taken; the change's strongest directions are sought in all of them."""
MOST_ROWS, MOST_COLUMNS = 512, 4608
STEPS = 12
"""Of subspace iteration, ample for directions that stand out."""
FEWEST = 32
"""Matrices with fewer rows or columns have no middling directions to speak of."""
PRUNED = 0.05
"""Zeros in such a share are none of chance."""
KEPT = (0.96, 1.2)
"""Retention of a parent by its child."""
LOSSES, SLACK = 0.5, 1e-3
"""What the child lost of its parent's directions is at most this share of what the parent lacks of the child's;
relatives that moved from a common origin lack as much of each other."""
ADDED = (-1.5, 0.35)
"""Position of a parent; below 0 where training goes on in directions that the parent had already."""


@dataclass(frozen=True)
class Direction:
    """Retention of the candidate by the child and the reverse, and the candidate's position."""

    of_candidate: float
    of_child: float
    position: float

    @property
    def reading(self) -> str:
        """`candidate first`, `child first` or `unclear`."""
        if _is_kept(self.of_candidate, self.of_child) and _within(self.position, ADDED):
            return "candidate first"
        if _is_kept(self.of_child, self.of_candidate) and _within(1 - self.position, ADDED):
            return "child first"
        return "unclear"


def measured(candidate: np.ndarray, child: np.ndarray) -> Direction | None:
    """Retention both ways and the position, of one matrix; None if it is too small, or nothing of it is kept.

    Of a pruned child, what was kept is compared for retention; for the position, what was not has not changed.
    """
    candidate, child = oriented(candidate), oriented(child)
    if candidate is None:
        return None
    pruned = child == 0
    if pruned.mean() < PRUNED:
        pruned = np.zeros_like(pruned)
    kept, of_child = corner(np.where(pruned, 0, candidate)), corner(child)
    forth, back = spectrum(kept)(of_child), spectrum(of_child)(kept)
    if not np.isfinite(_retained(forth) + _retained(back)):
        return None
    if not pruned.any():
        return Direction(_retained(forth), _retained(back), _position(candidate, child, middle(forth)))
    return Direction(
        _retained(forth), _retained(back), position(candidate, np.where(pruned, candidate, child))
    )


def overall(found: list[tuple[Direction | None, int]]) -> Direction | None:
    """Mean retention by size and median position over matrices, given with their sizes; None without any."""
    usable = [(one, size) for one, size in found if one is not None]
    if not usable:
        return None
    sizes = [size for _, size in usable]
    return Direction(
        float(np.average([one.of_candidate for one, _ in usable], weights=sizes)),
        float(np.average([one.of_child for one, _ in usable], weights=sizes)),
        float(np.median([one.position for one, _ in usable])),
    )


def retention(kept: np.ndarray, by: np.ndarray) -> float:
    """How well `by` keeps the strongest singular directions of `kept`, relative to its middling ones.

    Args:
        kept: [n, m], n ≤ m; by: the same shape.

    Returns:
        NaN where nothing of the middling directions is kept.
    """
    return _retained(spectrum(kept)(by))


def _retained(along: np.ndarray) -> float:
    of_middling = middle(along)
    return float(along[:STRONGEST].mean()) / of_middling if abs(of_middling) > 0.02 else float("nan")


def position(candidate: np.ndarray, child: np.ndarray) -> float:
    """Where the candidate lies on the change's strongest directions: 0 at their beginning, 1 at their end."""
    return _position(candidate, child, middle(spectrum(corner(candidate))(corner(child))))


def _position(candidate: np.ndarray, child: np.ndarray, kept: float) -> float:
    change = child - np.asarray(kept, child.dtype) * candidate
    left = change @ np.random.default_rng(0).standard_normal((change.shape[1], 2 * NEWEST)).astype(
        change.dtype
    )
    for _ in range(STEPS):
        left, _ = np.linalg.qr(change @ (change.T @ left))
    turned, strengths, right = np.linalg.svd(left.T @ change, full_matrices=False)
    held = np.einsum("ki,ij,kj->k", (left @ turned).T, candidate, right, optimize=True)[:NEWEST]
    strengths = strengths[:NEWEST]
    return -float(held @ strengths) / max(float(strengths @ strengths), 1e-30)


def oriented(values: np.ndarray) -> np.ndarray | None:
    """A matrix with the shorter side first, cut to the most rows and columns; None if it is too small."""
    flat = values.reshape(len(values), -1)
    flat = flat.T if flat.shape[0] > flat.shape[1] else flat
    return flat[:MOST_ROWS, :MOST_COLUMNS] if min(flat.shape) >= FEWEST else None


def corner(values: np.ndarray) -> np.ndarray:
    """The part of a matrix whose whole spectrum is taken, in float64."""
    return values[: CORNER[0], : CORNER[1]].astype(np.float64)


def spectrum(kept: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """by → uᵀ·by·v / s for every singular triple of `kept`, strongest first."""
    energies, left = np.linalg.eigh(kept @ kept.T)
    left, energies = left[:, ::-1], np.maximum(energies[::-1], 1e-12 * max(float(energies[-1]), 1e-30))
    return lambda by: np.einsum("ik,ik->k", left, (by @ kept.T) @ left) / energies


def middle(along: np.ndarray) -> float:
    """What is kept of the middling directions: the median of the second quarter."""
    return float(np.median(along[len(along) // 4 : len(along) // 2]))


def _is_kept(retention_of_first: float, retention_of_second: float) -> bool:
    """Whether the second keeps the first as children keep parents, and lost less of it than it added."""
    lost, added = max(0.0, 1 - retention_of_first), max(0.0, 1 - retention_of_second)
    return _within(retention_of_first, KEPT) and lost <= LOSSES * added + SLACK


def _within(value: float, bounds: tuple[float, float]) -> bool:
    return bounds[0] <= value <= bounds[1]
