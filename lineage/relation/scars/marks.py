"""The mark that a scar leaves in one matrix, and what of the difference between two relatives it explains.

A scar of X that Y lacks means either that X was pruned or rounded after the two parted, or that Y was trained from X
without caring for it. They differ:

- zeros: pruning takes what is small in Y; training moves what was 0 as far as everything else;
- cells of width w: rounding leaves (Y − X) / w evenly spread over ±1/2, and white, with w² / 12 in every direction.
  What training adds gathers around 0, and in few directions.

Rows that are wholly 0 are dead, or never learnt, or pruned with their neuron; a channel of 0 before a normalisation
grows back faster than anything. They are a scar only where the matrices are otherwise equal.
"""

import functools
from dataclasses import dataclass

import numpy as np

from lineage.relation.scars.cells import by_column, by_row, grid_cells, half_cells, in_one, segments
from lineage.relation.scars.scar import ScarKind
from lineage.relation.sketch import chosen_rows
from lineage.relation.spectrum import corner, oriented

LEAST_ZEROS = 0.02
"""Share of a matrix' entries that are 0 in it alone, at least."""
COPIED = 0.95
"""Share of the entries that a copy explains, at least."""
NEAR, MOST_NEAR = 0.05, 0.125
"""Rounding leaves a tenth of the entries within ±NEAR cells, training more."""
ROUNDED, MOST_NEAR_ROUNDED = 0.975, 0.155
"""Where more than ROUNDED are within reach, so many may be near: in the wide cells of a code, values gather on one
side. Of what training moves, as many are not both so near and within reach."""
SAME_CELLS = 0.15
"""More entries than this within ±NEAR of whole cells: both matrices lie on one grid."""
REACH = 0.55
"""Cells that rounding to the nearest moves a value, at most: 1/2 but for the arithmetic."""
ROUNDED_AWAY = 1.5
"""Zeros that are larger in the other matrix than so many times what rounding moved elsewhere were pruned."""
FEWEST_KNOWN = 128
"""Entries that can tell, at least: not those of 0, nor those that set a scale, which rounding does not move."""
WHITE = 0.8
"""The bulk of the difference is at least this share of that of rounding alone."""


@dataclass(frozen=True)
class Mark:
    """A scar in one matrix.

    share: of its entries that bear it; explained: ratio of what is 0 to changes elsewhere, or of rounding to the
    whole difference, as sizes; 0 where training explains the difference better. is_copy: whether the matrix is the
    other but for the scar; size: its entries.
    """

    kind: ScarKind
    share: float
    explained: float
    is_copy: bool
    size: int


def marks(scarred: np.ndarray, plain: np.ndarray) -> list[Mark]:
    """The marks of the first matrix that the second lacks.

    Args:
        scarred, plain: [n, ...] of one shape.
    """
    rounding = _of_rounding(scarred, plain)
    is_rounded = rounding is not None and rounding.is_copy
    zeros = _of_zeros(scarred, plain, is_copy=is_rounded)
    if is_rounded and zeros and zeros.explained < ROUNDED_AWAY:
        zeros = None
    return [mark for mark in (rounding, zeros) if mark]


def bulk_of(change: np.ndarray) -> float:
    """The size of white noise whose median singular value is the change's; NaN if the matrix is too small."""
    values = oriented(change)
    if values is None:
        return float("nan")
    values = corner(values)
    return _middle_strength(values) / _of_white_noise(values.shape)


def _of_zeros(scarred: np.ndarray, plain: np.ndarray, *, is_copy: bool) -> Mark | None:
    """The mark of pruning; is_copy: whether rounding alone explains what is not 0."""
    rows = chosen_rows(len(scarred))
    ours, theirs = (values[rows].reshape(len(rows), -1) for values in (scarred, plain))
    absent = ours == 0
    if absent.mean() < LEAST_ZEROS:
        return None
    pruned, present = absent & (theirs != 0), ~absent & (theirs != 0)
    share = float(pruned.mean())
    if share < LEAST_ZEROS or not present.any():
        return None
    moved = np.abs(ours - theirs)[present]
    is_copy = is_copy or bool((moved == 0).mean() >= COPIED)
    single = pruned & ~absent.all(1, keepdims=True)
    if not is_copy and single.mean() < LEAST_ZEROS:
        return None
    elsewhere = _size(moved)
    explained = _size(theirs[single if single.any() else pruned]) / elsewhere if elsewhere > 0 else np.inf
    return Mark(ScarKind.ZEROS, share, explained, is_copy, scarred.size)


def _of_rounding(scarred: np.ndarray, plain: np.ndarray) -> Mark | None:
    """The mark of rounding, among the values that are not 0, because those may be pruned."""
    for kind, cells_of, view in (
        (ScarKind.GRID, grid_cells, by_row),
        (ScarKind.GRID, grid_cells, by_column),
        (ScarKind.GRID, grid_cells, in_one),
        (ScarKind.HALF, half_cells, by_row),
    ):
        ours = segments(view(scarred))
        cells = cells_of(ours)
        if cells is None:
            continue
        sets_the_scale = (ours == ours.max(1, keepdims=True)) | (ours == ours.min(1, keepdims=True))
        known = np.isfinite(cells) & (cells > 0) & (ours != 0) & ~sets_the_scale
        if known.sum() < FEWEST_KNOWN:
            return None
        widths, ours = cells[known], ours[known]
        moved = (segments(view(plain))[known] - ours) / widths
        near, off = np.abs(moved) < NEAR, np.abs(moved - np.round(moved))
        if (off < NEAR).mean() > SAME_CELLS and near.mean() <= MOST_NEAR:
            return None
        reached = (np.abs(moved) <= REACH).mean()
        is_even = near.mean() <= (MOST_NEAR if reached < ROUNDED else MOST_NEAR_ROUNDED)
        is_copy = is_even and max(reached, _truncated(moved, ours)) >= COPIED
        if not is_copy and is_even:
            bulk = bulk_of(plain - scarred)
            if np.isnan(bulk):
                return None
            is_even = bulk >= WHITE * _size(widths) / 12**0.5
        explained = float(12**-0.5 / _size(moved)) if is_even else 0.0
        return Mark(kind, 1.0, explained, bool(is_copy), scarred.size)
    return None


def _truncated(moved: np.ndarray, ours: np.ndarray) -> float:
    """The share of values that were cut off towards 0."""
    outwards = moved * np.sign(ours)
    return float(((outwards > -NEAR) & (outwards < 1 + NEAR)).mean())


def _middle_strength(values: np.ndarray) -> float:
    """The median singular value of a matrix [n, m], n ≤ m."""
    return float(np.sqrt(max(np.median(np.linalg.eigvalsh(values @ values.T)), 0.0)))


@functools.lru_cache(maxsize=64)
def _of_white_noise(shape: tuple[int, int]) -> float:
    """The median singular value of independent entries of size 1."""
    return _middle_strength(np.random.default_rng(0).standard_normal(shape))


def _size(values: np.ndarray) -> float:
    """Root mean square."""
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64))))
