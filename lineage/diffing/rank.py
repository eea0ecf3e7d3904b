"""The rank of a change: how many directions of a matrix were changed beyond rounding."""

import numpy as np

MOST = 384
"""Sides of a matrix that are longer are projected on so many random directions, which keeps any rank below that;
one that reaches it may be larger."""
BEYOND = 2.0
"""A singular value this many times the largest that rounding alone would give was changed."""
COARSER = {16: 0xFFFF, 13: 0x1FFF}
"""Bits of float32 that bfloat16 and float16 lack, as how many and as a mask."""


def rank_of_change(before: np.ndarray, after: np.ndarray) -> int:
    """How many singular values of after − before exceed what rounding `after` leaves (Marchenko & Pastur 1967).

    The grid that values are rounded to is taken from the values themselves: float32, or as coarse as the coarser of
    the two matrices. What rounding hides is not counted.

    Args:
        before, after: [n, ...] of one shape, float32.
    """
    change = after.reshape(len(after), -1).astype(np.float64) - before.reshape(len(before), -1)
    spacing = np.spacing(np.abs(after.ravel()).astype(np.float32)).astype(np.float64)
    noise = np.sqrt(np.square(spacing).mean() / 12) * 2 ** max(coarseness(before), coarseness(after))
    singular = np.linalg.svd(_projected(change), compute_uv=False)
    edge = noise * sum(np.sqrt(min(side, MOST)) for side in change.shape)
    return int(np.count_nonzero(singular > BEYOND * edge))


def largest_rank(rows: int, columns: int) -> int:
    """The largest rank that a change of a matrix can be found to have."""
    return min(rows, columns, MOST)


def coarseness(values: np.ndarray) -> int:
    """How many of the last bits of float32 all values leave empty: 16 as of bfloat16, 13 as of float16, else 0."""
    bits = np.bitwise_or.reduce(np.ascontiguousarray(values, np.float32).view(np.uint32), axis=None)
    return next((count for count, mask in COARSER.items() if not bits & mask), 0)


def _projected(change: np.ndarray) -> np.ndarray:
    """The change with sides of at most MOST; noise of independent entries stays as large."""
    draw = np.random.default_rng(0)
    for axis in (0, 1):
        if (side := change.shape[axis]) > MOST:
            directions = draw.standard_normal((MOST, side)) / np.sqrt(side)
            change = directions @ change if axis == 0 else change @ directions.T
    return change
