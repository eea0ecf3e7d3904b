"""Values that were rounded: the width of the cell in which each value stands for all others.

A matrix is looked at in segments: runs of 32 entries of a row (or of a column, where a file stores a matrix the other
way round), because int4 has a scale for as few as 32 entries.
"""

import numpy as np

LENGTH, SEGMENTS = 32, 128
"""Entries of a segment, and segments of a matrix that are looked at: at most 4096 entries."""
FEWEST = 4
"""Segments that can tell, at least."""
MOST_LEVELS = 256
"""Of an integer grid or a code of 8 bits."""
OFF = 0.15
"""Of a step: what storing a grid's values in half precision may move them."""
ON_GRID = 0.8
"""Share of the segments that lie on a grid, at least; the others may be too short to show their step."""
LEAST_HALF = 2.0**-24
"""The smallest size of a number in half precision; what is smaller may become 0."""
FEWEST_VALUES = 12
"""A segment with fewer values that are not 0 cannot tell: pruning leaves such ones."""


def by_row(values: np.ndarray) -> np.ndarray:
    """A tensor [n, ...] as a matrix whose rows may have a scale each."""
    return values.reshape(len(values), -1)


def by_column(values: np.ndarray) -> np.ndarray:
    """The same for the last axis, where TensorFlow has its outputs."""
    return values.reshape(-1, values.shape[-1]).T


def in_one(values: np.ndarray) -> np.ndarray:
    """All values in one row: groups that go on from row to row."""
    return values.reshape(1, -1)


def segments(rows: np.ndarray) -> np.ndarray:
    """Up to SEGMENTS segments of a matrix, evenly chosen and the same for all of a shape: [segments, LENGTH]."""
    flat = rows if rows.shape[1] >= LENGTH else rows.reshape(1, -1)
    runs = flat.shape[1] // LENGTH
    chosen = np.unique(np.linspace(0, len(flat) * runs - 1, min(SEGMENTS, len(flat) * runs)).astype(int))
    columns = (chosen % max(runs, 1))[:, None] * LENGTH + np.arange(LENGTH)
    return flat[(chosen // max(runs, 1))[:, None], columns]


def grid_cells(values: np.ndarray) -> np.ndarray | None:
    """The cells' widths of segments [k, LENGTH] on an integer grid, or of a code of few values; None of others.

    Each segment has its own step s and offset: x = s·q + m, at most 256 levels. A code (fp8, NF4) has few values in
    all segments together, or within each; its cells reach half way to the neighbouring values.
    """
    ordered = np.sort(values, 1)
    gaps = np.diff(ordered, axis=1)
    nonzero, distinct = (values != 0).sum(1), (gaps > 0).sum(1) + 1 - (values == 0).any(1)
    usable = (nonzero >= FEWEST_VALUES) & (distinct >= 2)
    if usable.sum() < FEWEST:
        return None
    spread = ordered[:, -1] - ordered[:, 0]
    least = np.where(gaps > 1e-5 * spread[:, None], gaps, np.inf).min(1)
    if _most(spread <= 1.2 * MOST_LEVELS * least, usable):
        steps = _refined(values, np.where(usable, least, np.inf))
        places = _centred(values) / steps[:, None]
        fits = (np.abs(places - np.round(places)).max(1) <= OFF) & (spread <= MOST_LEVELS * steps) & usable
        if _most(fits, usable):
            return np.where(fits[:, None], steps[:, None], np.nan) * np.ones_like(values)
    if (distinct == nonzero).all():
        return None
    if values.size >= 8 * MOST_LEVELS and len(levels := np.unique(values)) <= MOST_LEVELS:
        return _between(levels)[np.searchsorted(levels, values)]
    if _most(distinct <= nonzero / 2, usable):
        rows = [_between(levels := np.unique(row))[np.searchsorted(levels, row)] for row in values[usable]]
        cells = np.full(values.shape, np.nan)
        cells[usable] = rows
        return cells
    return None


def half_cells(values: np.ndarray) -> np.ndarray | None:
    """The widths of values that are all exact in half precision (bfloat16, else float16); None of others."""
    if not (np.ascontiguousarray(values, np.float32).view(np.uint32) & 0xFFFF).any():
        return np.ldexp(np.float32(1), np.frexp(values)[1] - 8)
    with np.errstate(over="ignore"):
        short = np.abs(values).astype(np.float16)
    return np.spacing(short).astype(np.float32) if np.array_equal(short, np.abs(values)) else None


def is_halved(short: np.ndarray, whole: np.ndarray) -> bool:
    """Whether the first tensor's values are all those of the second, rounded or cut off to half precision."""
    cells = half_cells(short)
    if cells is None:
        return False
    return bool((np.abs(whole - short) <= np.where(short == 0, LEAST_HALF, cells)).all())


def _centred(values: np.ndarray) -> np.ndarray:
    """Less each segment's value nearest to 0, which rounding moves least."""
    nearest = np.abs(values).argmin(1)
    return values - values[np.arange(len(values)), nearest][:, None]


def _refined(values: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Least squares for each segment's step, from small values to large ones."""
    centred = _centred(values.astype(np.float64))
    steps = steps.astype(np.float64)
    for reach in (4, 8, 16, 32, 64, 128, 256):
        places = np.round(centred / steps[:, None])
        places[np.abs(places) > reach] = 0
        energy = (places**2).sum(1)
        found = np.isfinite(steps) & (energy > 0)
        steps[found] = ((centred * places).sum(1) / np.maximum(energy, 1))[found]
    return steps


def _most(found: np.ndarray, usable: np.ndarray) -> bool:
    """Whether it holds of enough of the segments that can tell."""
    return bool((found & usable).sum() >= ON_GRID * usable.sum())


def _between(levels: np.ndarray) -> np.ndarray:
    """The widths of the cells of ordered levels."""
    gaps = np.diff(levels)
    return (np.append(gaps[:1], gaps) + np.append(gaps, gaps[-1:])) / 2
