"""An exact test of independence from a pair of matrices alone.

Under independent training the order of hidden neurons is exchangeable: the child's rows could as well have come
in any other order. With unit rows a_i of the candidate and b_j of the child, G_ij = ⟨a_i, b_j⟩, two statistics of
the given order are compared with what a random order of the child's rows would give:

- z: T = trace G has mean ΣG/n and variance Σd²/(n−1), d = G centred by rows and columns (Hoeffding 1951,
  doi:10.1214/aoms/1177729391). Its normal tail is an approximation.
- matches: K = how many rows of the candidate have their own row of the child as their only most similar one. (With
  several, the order that is tested would break the tie.) Whatever G is, P(K ≥ k) ≤ 1/k!, because at most
  n!/k!/(n−k)! choices of k rows can all match, each with probability (n−k)!/n!.

The p-value is the larger of both. So it is valid where a few rows dominate, is never below 1/n!, and never rests on a
normal tail alone.
n rows, k columns.
"""

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln, log_ndtr

from lineage.relation.sketch import Untestable, sketch

LN10 = math.log(10)
TIE = 1e-6
"""Cosines that differ by less are equal but for rounding."""


@dataclass(frozen=True)
class RowTest:
    """The test of one pair of matrices for independence: rows, z, matches and log10 of the p-value.

    similarity: the mean cosine of the candidate's rows and the child's in the same places; change: the root mean
    square of the distances between them, 0 for equal rows. partner: the candidate's matrix where the weights chose
    it, for which log10_p is corrected; transposed: whether its columns are the child's rows.
    """

    rows: int
    similarity: float
    change: float
    z: float
    matches: int
    log10_p: float
    partner: str | None = None
    transposed: bool = False


def row_test(candidate: np.ndarray, child: np.ndarray) -> RowTest:
    """Tests whether the child's rows could as well have come in any other order.

    Args:
        candidate: rows [n, k]; child: rows [n, k]; each of norm 1 or 0.

    Returns:
        z 0 and log10_p 0 where no order differs from another.
    """
    overlap = candidate @ child.T
    rows = len(overlap)
    column, row = overlap.mean(0), overlap.mean(1)
    spread = float(np.square(overlap - column - row[:, None] + overlap.mean()).sum(dtype=np.float64))
    sd = math.sqrt(spread / (rows - 1))
    similarity = float(np.trace(overlap, dtype=np.float64)) / rows
    change = math.sqrt(np.square(candidate - child).sum(dtype=np.float64) / rows)
    if sd < TIE:
        return RowTest(rows, similarity, change, 0.0, 0, 0.0)
    z = rows * (similarity - float(overlap.mean(dtype=np.float64))) / sd
    as_similar = overlap >= np.diagonal(overlap)[:, None] - TIE
    matches = int(np.count_nonzero(as_similar.sum(1) == 1))
    by_z, by_matches = float(log_ndtr(-z)), -float(gammaln(matches + 1))
    return RowTest(rows, similarity, change, z, matches, min(0.0, max(by_z, by_matches) / LN10))


def row_test_of(candidate: np.ndarray, child: np.ndarray) -> RowTest | None:
    """The test of two whole matrices of one shape, by their sketches; None where either has none."""
    sketches = [sketch(values) for values in (candidate, child)]
    if any(isinstance(found, Untestable) for found in sketches):
        return None
    return row_test(*(rows.astype(np.float32) for rows in sketches))


def conformal_p_values(scores: Sequence[float]) -> list[float | None]:
    """Of each network, the share of all that look at least as related to the child: (1 + #{others ≥ score}) / N.

    Valid for one related network among unrelated ones (Vovk, Gammerman & Shafer 2005, doi:10.1007/b106715).

    Returns:
        None for a network alone.
    """
    if len(scores) < 2:
        return [None] * len(scores)
    ordered = sorted(scores)
    return [(len(ordered) - bisect_left(ordered, score)) / len(ordered) for score in scores]
