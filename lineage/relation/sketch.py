"""A sketch of the rows of a matrix: small, and as exchangeable as the rows themselves."""

import functools

import numpy as np

ROWS, COLUMNS = 256, 128


CHUNK = 8
"""Rows are taken in runs of so many neighbours, so that an order among neighbours is still seen."""


FEWEST_ROWS, FEWEST_COLUMNS = 16, 4


STRUCTURED = 6.0
"""Neighbouring rows alike by so many standard deviations: their order is not free."""


def sketch(values: np.ndarray) -> tuple[np.ndarray | None, str | None]:
    """The sketch [rows, columns] of a matrix, or why it cannot be tested."""
    if values.shape[0] < FEWEST_ROWS:
        return None, f"only {values.shape[0]} rows"
    if (columns := values[0].size) < FEWEST_COLUMNS:
        return None, f"only {columns} columns"
    rows = values[chosen_rows(len(values))].reshape(-1, columns)
    centred = rows - rows.mean(0)
    norms = np.sqrt(np.einsum("ij,ij->i", centred, centred))
    scale = np.sqrt(np.einsum("ij,ij->i", rows, rows).mean())
    alive = norms > 1e-4 * max(float(scale), 1e-30)
    if alive.sum() < FEWEST_ROWS:
        return None, "its rows are all alike: initial values or a constant"
    unit = np.where(alive[:, None], centred / np.where(alive, norms, 1)[:, None], 0).astype(np.float32)
    folded = _folded(unit)
    if (order := _order_among_rows(folded, norms)) > STRUCTURED:
        return None, f"neighbouring rows are alike ({order:.0f} sd): their order is not free"
    if values.ndim >= 2 and values.shape[0] == values.shape[1] and _has_a_diagonal(values):
        return None, "its diagonal stands out: rows and columns are tied"
    return np.ascontiguousarray(folded, np.float16), None


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
    """Rows with at most COLUMNS columns, each a signed sum of the given ones; inner products stay, on average."""
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
    alike = rows @ rows.T
    others = alike[~np.eye(count, dtype=bool)]
    neighbours = np.diagonal(alike, 1)
    by_direction = (neighbours.mean() - others.mean()) / max(others.std() / np.sqrt(count - 1), 1e-9)
    ranks = np.argsort(np.argsort(norms)).astype(float)
    ranks -= ranks.mean()
    by_norm = np.sqrt(count) * float(ranks[1:] @ ranks[:-1]) / float(ranks @ ranks)
    return max(float(by_direction), by_norm)


def _has_a_diagonal(values: np.ndarray) -> bool:
    """Whether the diagonal's entries are larger than the others."""
    energy = np.abs(values.reshape(*values.shape[:2], -1)).mean(2)
    inside = np.eye(len(energy), dtype=bool)
    others = energy[~inside]
    return abs(energy[inside].mean() - others.mean()) > STRUCTURED * others.std() / np.sqrt(len(energy))
