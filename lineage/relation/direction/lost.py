"""What a child lost of a candidate's weights, matrix by matrix: the evidence on which of two relatives came earlier.

Let B be the last common ancestor of a candidate A = B + a and a child C = B + c. Along the strongest singular
directions (u, s, v) of the change D = C − bA, with p = uᵀAv, the share

    lost = −Σps / Σs²

estimates ‖a‖² / (‖a‖² + ‖c‖²): 0 for an ancestor, ½ for siblings that moved equally, 1 for a descendant. b is the
share of the bulk of A's directions that the child retains, so that weight decay cancels. A direction is lost
completely where A had much of it (p beyond noise) and the child has nearly nothing; fine-tuning seldom does that.

Each quantity is computed both ways, so that swapping the two swaps the answer exactly.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lineage.relation.spectrum import Spectrum, bulk, corner, oriented

MOST_DIRECTIONS = 32
"""Singular directions of a change that are looked at."""
ENERGY = 0.9
"""Share of a change's energy that its directions hold, where fewer do."""
COMPLETE, NOISE = 0.35, 3.0
"""A direction is lost completely if at most this share of it is left, and it was this many noise levels strong."""
STRONGEST = 8
"""Directions of a matrix whose retention is averaged."""
OPPOSITE = {"candidate": "child", "child": "candidate"}
"""The ends of the names of features that change places with candidate and child."""
PRUNED = 0.05
"""A share of exact zeros from which on a matrix counts as pruned."""
BEYOND_BULK = 1.05
"""A singular value this many times the edge of random numbers' has been learnt."""


@dataclass(frozen=True)
class Side:
    """What one network of a pair shows of having lost to the other, in one matrix.

    strengths, shares: s/σ of the change's directions, and −p/s, the share of each that was taken away: [k];
    complete: which of them were lost completely: [k]; retention: of the strongest directions, relative to the bulk;
    bulk: the share of the bulk that is retained; learnt: share of directions beyond those of random numbers;
    kurtosis: excess, of the entries.
    """

    strengths: np.ndarray
    shares: np.ndarray
    complete: np.ndarray
    retention: float
    bulk: float
    learnt: float
    kurtosis: float


@dataclass(frozen=True)
class MatrixChange:
    """Both sides of one matrix, its size, ‖C − A‖² / (‖A‖‖C‖), and the effective rank of the change over its rows.

    is_filled: whether entries that one of the two has pruned were taken from the other.
    """

    of_candidate: Side
    of_child: Side
    size: int
    change: float
    rank: float
    is_filled: bool = False


def measured(candidate: np.ndarray, child: np.ndarray) -> MatrixChange | None:
    """What a matrix shows, both ways.

    Entries that one of the two has pruned count as unchanged.

    Args:
        candidate, child: [n, ...] of one shape.

    Returns:
        None if the matrix is too small, equal in both, or 0 in one.
    """
    candidate, child = oriented(candidate), oriented(child)
    if candidate is None:
        return None
    whole = corner(candidate), corner(child)
    before, after = _filled(*whole)
    if not _differ(before, after):
        return None
    gram = (after - before) @ (after - before).T
    energy = float(np.trace(gram))
    return MatrixChange(
        _side(before, after),
        _side(after, before),
        int(candidate.size),
        energy / float(np.linalg.norm(before) * np.linalg.norm(after)),
        energy**2 / float(np.vdot(gram, gram)) / len(gram),
        not (np.array_equal(before, whole[0]) and np.array_equal(after, whole[1])),
    )


def lost(before: np.ndarray, after: np.ndarray) -> Side | None:
    """What a network lost of an earlier one, in one matrix [n, m], n ≤ m; None if equal in both, or 0 in one."""
    before, after = _filled(before, after)
    return _side(before, after) if _differ(before, after) else None


def _differ(before: np.ndarray, after: np.ndarray) -> bool:
    """Whether two matrices differ, and neither is 0."""
    return bool(before.any() and after.any()) and not np.array_equal(before, after)


def _filled(before: np.ndarray, after: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both, with the pruned entries of each taken from the other."""
    of_before, of_after = before == 0, after == 0
    filled = before, after
    if of_after.mean() >= PRUNED:
        filled = filled[0], np.where(of_after, before, after)
    if of_before.mean() >= PRUNED:
        filled = np.where(of_before, after, before), filled[1]
    return filled


def _side(before: np.ndarray, after: np.ndarray) -> Side:
    """What `after` lost of `before`."""
    spectrum = Spectrum(before)
    retained = spectrum.retained_by(after)
    of_bulk = bulk(retained)
    change = after - of_bulk * before
    energies, left = np.linalg.eigh(change @ change.T)
    energies, left = energies[::-1], left[:, ::-1]
    count = int(np.searchsorted(np.cumsum(energies), ENERGY * energies.sum())) + 1
    left, energies = left[:, : min(count, MOST_DIRECTIONS)], energies[: min(count, MOST_DIRECTIONS)]
    energies = np.maximum(energies, 1e-30)
    noise = max(spectrum.typical, 1e-30)
    shares = -np.einsum("ik,ik->k", left, (before @ change.T) @ left) / energies
    strengths = np.sqrt(energies) / noise
    remaining = np.abs(of_bulk - 1 / np.where(np.abs(shares) > 1e-12, shares, 1e-12))
    return Side(
        strengths,
        shares,
        (remaining < COMPLETE) & (shares * strengths > NOISE),
        float(retained[:STRONGEST].mean() / of_bulk) if abs(of_bulk) > 0.02 else float("nan"),
        of_bulk,
        spectrum.learnt(BEYOND_BULK),
        _excess_kurtosis(before),
    )


def _excess_kurtosis(values: np.ndarray) -> float:
    squares = np.square(values)
    return float(np.vdot(squares, squares) * squares.size / max(float(squares.sum()) ** 2, 1e-30) - 3)


def pooled(changes: Sequence[MatrixChange]) -> dict[str, float]:
    """The features of a pair from its matrices, by name.

    Names end in `.candidate` for what the child lost of the candidate, in `.child` for the reverse; others are the
    same for both. Empty without a matrix.
    """
    if not changes:
        return {}
    sizes = np.array([change.size for change in changes], float)
    features = {
        "matrices": float(len(changes)),
        "change": float(np.log10(np.average([change.change for change in changes], weights=sizes))),
        "rank": float(np.average([change.rank for change in changes], weights=sizes)),
        "size": float(np.log10(np.median(sizes))),
        "filled": float(np.average([change.is_filled for change in changes], weights=sizes)),
    }
    for end, sides in (
        ("candidate", [change.of_candidate for change in changes]),
        ("child", [change.of_child for change in changes]),
    ):
        features |= {f"{name}.{end}": value for name, value in of_sides(sides, sizes).items()}
    return features


def of_sides(sides: Sequence[Side], sizes: Sequence[float]) -> dict[str, float]:
    """What one network of a pair lost, pooled over matrices of these sizes; at least one."""
    strengths = np.concatenate([side.strengths for side in sides])
    shares = np.concatenate([side.shares for side in sides])
    complete = np.concatenate([side.complete for side in sides])
    energies = strengths**2
    by_matrix = np.array([np.average(side.shares, weights=side.strengths**2) for side in sides])
    low, middle, high = _quantiles(shares, energies, (0.1, 0.5, 0.9))
    return {
        "lost": float(np.average(shares, weights=energies)),
        "lost_middle": float(np.median(by_matrix)),
        "lost_least": float(by_matrix.min()),
        "lost_most": float(by_matrix.max()),
        "lost_low": low,
        "lost_half": middle,
        "lost_high": high,
        "z": float((shares * energies).sum() / np.sqrt(energies.sum())),
        "complete": float(complete.mean()),
        "complete_energy": float(np.average(complete, weights=energies)),
        "retention": float(np.average([side.retention for side in sides], weights=sizes)),
        "retention_least": float(min(side.retention for side in sides)),
        "bulk": float(np.average([side.bulk for side in sides], weights=sizes)),
        "learnt": float(np.average([side.learnt for side in sides], weights=sizes)),
        "kurtosis": float(np.median([side.kurtosis for side in sides])),
    }


def _quantiles(values: np.ndarray, weights: np.ndarray, shares: Sequence[float]) -> list[float]:
    """Weighted quantiles: the first value at which the weights reach each share."""
    order = np.argsort(values)
    reached = np.cumsum(weights[order]) / weights.sum()
    return [float(values[order][np.searchsorted(reached, share)]) for share in shares]


def opposite(name: str) -> str:
    """The name of the same feature with candidate and child exchanged."""
    stem, _, end = name.rpartition(".")
    return f"{stem}.{OPPOSITE[end]}" if stem else name
