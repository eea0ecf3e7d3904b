"""A sketch of the rows of a matrix, small and as exchangeable as the rows themselves; or why there is none."""

import functools
from dataclasses import dataclass
from enum import Enum

import numpy as np


class Reason(Enum):
    """Why a matrix is not tested; {} in a text stands for a number."""

    HEAD = "the head, whose rows are classes"
    RECURRENT = "recurrent: its rows and columns are the same neurons"
    TABLE = "a table, whose rows have a fixed order"
    ATTENTION = "attention: its rows are tied within heads"
    FUSED_ATTENTION = "has the shape of attention's fused input"
    FEW_ROWS = "only {:.0f} rows"
    FEW_COLUMNS = "only {:.0f} columns"
    CONSTANT = "its rows are all alike: initial values or a constant"
    ORDERED = "neighbouring rows are alike ({:.0f} sd): their order is not free"
    DIAGONAL = "its diagonal stands out: rows and columns are tied"


OF_EITHER_SIDE = frozenset({Reason.HEAD, Reason.TABLE, Reason.ATTENTION, Reason.FUSED_ATTENTION})
"""Reasons that rest on a matrix' part in the network: they hold for its columns, taken as rows, as well."""


@dataclass(frozen=True)
class Untestable:
    """A reason, with the number that its text speaks of."""

    reason: Reason
    number: float = 0.0

    def __str__(self) -> str:
        return self.reason.value.format(self.number)


ROWS, COLUMNS = 256, 128
"""Of a sketch, at most."""
CHUNK = 8
"""Rows are taken in runs of so many neighbours, so that an order among neighbours is still seen."""
FEWEST_ROWS, FEWEST_COLUMNS = 16, 4
STRUCTURED = 6.0
"""Neighbouring rows alike by so many standard deviations: their order is not free."""
CONSTANT = 1e-4
"""A row that differs from the mean row by less than this share of the rows' size carries no information."""


def sketch(values: np.ndarray) -> np.ndarray | Untestable:
    """The sketch of a matrix, or why it cannot be tested.

    Args:
        values: [n, ...], any number of further axes.

    Returns:
        float16 [rows, columns]: centred rows of norm 1 (0 for constant rows), folded to at most COLUMNS columns.
    """
    if values.shape[0] < FEWEST_ROWS:
        return Untestable(Reason.FEW_ROWS, values.shape[0])
    if (columns := values[0].size) < FEWEST_COLUMNS:
        return Untestable(Reason.FEW_COLUMNS, columns)
    rows = values[chosen_rows(len(values))].reshape(-1, columns)
    centred = rows - rows.mean(0)
    norms = np.sqrt(np.einsum("ij,ij->i", centred, centred))
    scale = np.sqrt(np.einsum("ij,ij->i", rows, rows).mean())
    varied = norms > CONSTANT * max(float(scale), 1e-30)
    if varied.sum() < FEWEST_ROWS:
        return Untestable(Reason.CONSTANT)
    unit = np.where(varied[:, None], centred / np.where(varied, norms, 1)[:, None], 0).astype(np.float32)
    folded = _folded(unit)
    if (order := _order_among_rows(folded, norms)) > STRUCTURED:
        return Untestable(Reason.ORDERED, order)
    if values.ndim >= 2 and values.shape[0] == values.shape[1] and _has_a_diagonal(values):
        return Untestable(Reason.DIAGONAL)
    return np.ascontiguousarray(folded, np.float16)


@functools.lru_cache(maxsize=64)
def chosen_rows(count: int) -> np.ndarray:
    """Indices of up to ROWS rows: all, or evenly spaced runs of CHUNK."""
    if count <= ROWS:
        return np.arange(count)
    starts = np.linspace(0, count - CHUNK, ROWS // CHUNK).astype(int)
    return np.unique((starts[:, None] + np.arange(CHUNK)).ravel())


@functools.lru_cache(maxsize=64)
def _folding(columns: int) -> tuple[np.ndarray, np.ndarray]:
    """An order of the columns, and a sign for each."""
    generator = np.random.default_rng(columns)
    return generator.permutation(columns), generator.choice(np.float32([-1, 1]), columns)


def _folded(rows: np.ndarray) -> np.ndarray:
    """Rows with at most COLUMNS columns, each a signed sum of the given ones.

    Inner products of rows stay the same on average (Charikar, Chen & Farach-Colton 2002,
    doi:10.1007/3-540-45465-9_59).
    """
    columns = rows.shape[1]
    if columns <= COLUMNS:
        return rows
    order, signs = _folding(columns)
    signed = (rows * signs)[:, order]
    whole = columns // COLUMNS * COLUMNS
    folded = signed[:, :whole].reshape(len(rows), -1, COLUMNS).sum(1)
    folded[:, : columns - whole] += signed[:, whole:]
    return folded


def _order_among_rows(rows: np.ndarray, norms: np.ndarray) -> float:
    """By how many standard deviations neighbouring rows, or their norms, are more alike than any two."""
    count = len(rows)
    overlap = rows @ rows.T
    any_two = overlap[~np.eye(count, dtype=bool)]
    neighbours = np.diagonal(overlap, 1)
    by_direction = (neighbours.mean() - any_two.mean()) / max(any_two.std() / np.sqrt(count - 1), 1e-9)
    ranks = np.argsort(np.argsort(norms)).astype(float)
    ranks -= ranks.mean()
    by_norm = np.sqrt(count) * float(ranks[1:] @ ranks[:-1]) / float(ranks @ ranks)
    return max(float(by_direction), by_norm)


def _has_a_diagonal(values: np.ndarray) -> bool:
    """Whether the diagonal's entries differ in size from the rest."""
    sizes = np.abs(values.reshape(*values.shape[:2], -1)).mean(2)
    on_diagonal = np.eye(len(sizes), dtype=bool)
    rest = sizes[~on_diagonal]
    return abs(sizes[on_diagonal].mean() - rest.mean()) > STRUCTURED * rest.std() / np.sqrt(len(sizes))
