"""Which of a few scores stand out above the others: the generalised extreme Studentized deviate test."""

from dataclasses import dataclass
from functools import cache

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
    found, critical = 0, critical_value(len(scores), alpha)
    for removed in range(most):
        bound = critical_value(len(scores) - removed, alpha)
        if _deviations(scores[order[removed:]], removed=1)[0] > bound:
            found, critical = removed + 1, bound
    places = np.empty(len(scores))
    places[order] = _deviations(scores[order], removed=found)
    return Outliers([int(place) for place in order[:found]], places, critical)


@cache
def critical_value(n: int, alpha: float) -> float:
    """What the deviation of the largest of n normal scores from the n - 1 others exceeds with probability alpha."""
    from scipy.stats import t

    return float(t.ppf(1 - alpha / n, n - 2) * np.sqrt(n / (n - 1)))


def _deviations(falling: np.ndarray, *, removed: int) -> np.ndarray:
    """How far scores are above the mean of those after the first `removed`, in their standard deviations."""
    others = falling[removed:]
    spread = float(others.std(ddof=1))
    centred = falling - others.mean()
    return centred / spread if spread > 0 else np.zeros_like(centred)
