"""Which of a few scores stand out above the others: the generalised extreme Studentized deviate test."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Outliers:
    """What stands out above.

    chosen: places of the scores that stand out, largest first; deviations: how far each score is above the mean of
    those that do not stand out, in their standard deviations; critical: what the last step of the test demanded.
    """

    chosen: list[int]
    deviations: np.ndarray
    critical: float


def outliers(scores: np.ndarray, *, alpha: float, most: int) -> Outliers:
    """The scores that stand out above the others, which are taken for draws of one normal distribution.

    One by one the largest is removed, up to `most`; as many stand out as the last removal says whose deviation is
    above its critical value, so that several that stand out do not hide each other.

    Args:
        scores: [n], at least three more than `most`.
        alpha: how often any stands out where none should.

    Source: Rosner 1983, doi:10.1080/00401706.1983.10487848, one-sided.
    """
    order = np.argsort(-scores, kind="stable")
    found, critical = 0, np.inf
    for removed in range(most):
        rest = scores[order[removed:]]
        bound = critical_value(len(rest), alpha)
        critical = bound if removed == 0 else critical
        if _deviation(rest) > bound:
            found, critical = removed + 1, bound
    others = scores[order[found:]]
    spread = max(float(others.std(ddof=1)), np.finfo(float).tiny)
    return Outliers([int(place) for place in order[:found]], (scores - others.mean()) / spread, critical)


def critical_value(n: int, alpha: float) -> float:
    """What the largest of n normal scores exceeds with probability alpha, in standard deviations above their mean."""
    from scipy.stats import t

    quantile = float(t.ppf(1 - alpha / n, n - 2))
    return (n - 1) * quantile / float(np.sqrt((n - 2 + quantile**2) * n))


def _deviation(scores: np.ndarray) -> float:
    spread = float(scores.std(ddof=1))
    return float(scores.max() - scores.mean()) / spread if spread > 0 else 0.0
