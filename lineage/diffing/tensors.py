"""What was done with one tensor between two models."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from lineage.diffing.rank import largest_rank, rank_of_change
from lineage.relation.comparison import sampled
from lineage.relation.layers import looks_random
from lineage.relation.permutation_test import row_test_of

DEPENDENT = -6.0
"""log10 p of the order of rows up to which two matrices share an origin."""
CORRELATED = 6.0
"""Standard deviations from which on tensors that cannot be tested by their rows share an origin."""
LEAST = 64
"""Entries of a tensor that can be judged by its own correlation."""


class Change(StrEnum):
    """What was done with a tensor of A to give that of B."""

    IDENTICAL = "identical"
    FROZEN = "frozen"
    FINE_TUNED = "fine-tuned"
    REINITIALISED = "re-initialised"
    REPLACED = "replaced"
    RESIZED = "resized"
    MOVED = "moved"
    ADDED = "added"
    REMOVED = "removed"


@dataclass(frozen=True, kw_only=True)
class TensorDifference:
    """One tensor: name, its name in B, in A if it was removed; source: its name in A, None if added; shape: in B.

    change: ‖B − A‖ / ‖A‖; rank: of B − A, beyond rounding, of a fine-tuned matrix; of: the largest that
    would be measured.
    """

    name: str
    state: Change
    source: str | None = None
    shape: tuple[int, ...] = ()
    change: float | None = None
    rank: int | None = None
    of: int | None = None


def relative_change(before: np.ndarray, after: np.ndarray) -> float:
    """‖after − before‖ / ‖before‖; infinite from zero."""
    size = float(np.linalg.norm(before.ravel().astype(np.float64)))
    moved = float(np.linalg.norm(after.ravel().astype(np.float64) - before.ravel()))
    return moved / size if size else (np.inf if moved else 0.0)


def state_of(before: np.ndarray, after: np.ndarray, *, rounding: float, is_head: bool) -> Change | None:
    """What was done with a tensor of one shape; None of a vector that does not say it on its own.

    Args:
        before, after: values; rounding: the relative change that the files' dtypes explain; is_head: a head's matrix.
    """
    if np.array_equal(before, after, equal_nan=True):
        return Change.IDENTICAL
    if relative_change(before, after) <= rounding:
        return Change.FROZEN
    if is_constant(after) and not is_constant(before):
        return Change.REINITIALISED
    shares = share_an_origin(before, after)
    if shares is None:
        return None
    if shares:
        return Change.FINE_TUNED
    if after.ndim < 2:
        return None
    return Change.REINITIALISED if is_head or looks_random(sampled(after)) else Change.REPLACED


def share_an_origin(before: np.ndarray, after: np.ndarray) -> bool | None:
    """Whether two tensors of one shape are dependent; None if they are too small to say.

    Rows whose order is free are tested by it; else entries are correlated, beyond what columns have in common.
    """
    if before.ndim >= 2 and (test := row_test_of(before, after)):
        return test.log10_p <= DEPENDENT
    if before.size < LEAST:
        return None
    first, second = (_centred(values) for values in (before, after))
    sizes = np.linalg.norm(first) * np.linalg.norm(second)
    if sizes == 0:
        return None
    return bool(np.vdot(first, second) / sizes * np.sqrt(before.size) >= CORRELATED)


def is_constant(values: np.ndarray) -> bool:
    """Whether all entries are equal, as those of none are."""
    return not values.size or bool((values == values.reshape(-1)[:1]).all())


def rank_in(before: np.ndarray, after: np.ndarray) -> tuple[int | None, int | None]:
    """The rank of a matrix' change, and the largest that would be measured; None of what has no rows and columns."""
    if before.ndim < 2 or len(before) == 0:
        return None, None
    most = largest_rank(len(before), before[0].size)
    return (rank_of_change(before, after), most) if most > 1 else (None, None)


def _centred(values: np.ndarray) -> np.ndarray:
    flat = values.reshape(len(values), -1) if values.ndim >= 2 else values.reshape(-1, 1)
    flat = flat.astype(np.float64)
    return flat - flat.mean(0)
