"""Matrices woven into one by shares: of each head its queries, keys and values; of each neuron its gate and up."""

import itertools
import math
from collections.abc import Mapping, Sequence

import numpy as np

MOST = 3
"""Parts of a matrix, at most."""
PROBED = 8
"""Rows of a possible part that are sought in a matrix."""


def woven(parts: Sequence[np.ndarray], shares: int) -> np.ndarray:
    """Of every part [n_i, k] its first share of rows, then of every part its second, and so on: [Σ n_i, k]."""
    blocks = [part.reshape(shares, len(part) // shares, -1) for part in parts]
    return np.concatenate(blocks, 1).reshape(-1, parts[0].shape[1])


def unwoven(values: np.ndarray, shares: int, rows: tuple[int, int]) -> np.ndarray:
    """The rows from the first up to the second of the parts one after another, of a matrix woven of them."""
    first, last = (row // shares for row in rows)
    blocks = values.reshape(shares, len(values) // shares, -1)
    return blocks[:, first:last].reshape(-1, values.shape[1])


def weave_of(
    values: np.ndarray, lengths: Mapping[str, int], samples: Mapping[str, np.ndarray], alike: float
) -> tuple[tuple[str, ...], int] | None:
    """The parts that a matrix [n, k] is woven of, in their order, and of how many shares; None of other matrices.

    The parts whose rows it has somewhere are tried in every order, with every number of shares.

    Args:
        lengths: rows of matrices that may be parts; samples: their first rows, and as many columns as are compared.
        alike: cosine of what belongs together, at least.
    """
    parts = _parts(values, lengths, samples)
    if not parts:
        return None
    together = math.gcd(*(lengths[part] for part in parts))
    tried = [
        (_cosine(values, order, shares, lengths, samples), order, shares)
        for order in itertools.permutations(parts)
        for shares in range(2, together + 1)
        if together % shares == 0
    ]
    best, order, shares = max(tried, default=(0.0, (), 0))
    return (order, shares) if best >= alike else None


def _parts(
    values: np.ndarray, lengths: Mapping[str, int], samples: Mapping[str, np.ndarray]
) -> tuple[str, ...]:
    """Those whose first rows are most like some row of a matrix, as many as fill it; none if they do not."""
    rows = _unit(values)
    found = {
        part: float((_unit(samples[part][:PROBED]) @ rows[:, : samples[part].shape[1]].T).max(1).mean())
        for part in lengths
    }
    best = sorted(found, key=found.__getitem__, reverse=True)[:MOST]
    filled = list(itertools.accumulate(lengths[part] for part in best))
    return tuple(best[: filled.index(len(values)) + 1]) if len(values) in filled[1:] else ()


def _cosine(
    values: np.ndarray,
    order: Sequence[str],
    shares: int,
    lengths: Mapping[str, int],
    samples: Mapping[str, np.ndarray],
) -> float:
    """Of the parts' first rows and those that stand in their places, if the matrix is woven so."""
    ours, theirs, start = [], [], 0
    for part in order:
        length, sample = lengths[part] // shares, samples[part]
        places = np.arange(len(sample))
        rows = places // length * (len(values) // shares) + start + places % length
        ours.append(values[rows, : sample.shape[1]].ravel())
        theirs.append(sample.ravel())
        start += length
    first, second = np.concatenate(ours), np.concatenate(theirs)
    return float(first @ second) / max(float(np.linalg.norm(first) * np.linalg.norm(second)), 1e-30)


def _unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-30)
