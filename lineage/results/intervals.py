"""Intervals of shares."""

from collections.abc import Sequence

import numpy as np

Z95 = 1.959963984540054
"""Two-sided 95 % quantile of the normal distribution."""


def wilson_interval(share: float, n: float) -> tuple[float, float]:
    """The 95 % score interval of a share of n (Wilson 1927, doi:10.1080/01621459.1927.10502953)."""
    centre = (share + Z95**2 / (2 * n)) / (1 + Z95**2 / n)
    half = Z95 / (1 + Z95**2 / n) * np.sqrt(share * (1 - share) / n + Z95**2 / (4 * n**2))
    return float(max(0.0, centre - half)), float(min(1.0, centre + half))


def clustered_interval(hits: Sequence[bool], clusters: Sequence[str]) -> tuple[float, float]:
    """The 95 % interval of a share where the cases of one cluster are alike: Wilson's, of fewer cases.

    The number of cases is divided by the design effect, the variance of the share over clusters by that of as many
    independent cases (Korn & Graubard 1998). Where all or none are hits, which say nothing of it, each cluster counts
    as one case.

    Args:
        hits: of each case; clusters: the case's.
    """
    values = np.asarray(hits, dtype=float)
    share, n = float(values.mean()), len(values)
    _, numbers = np.unique(np.asarray(clusters), return_inverse=True)
    count = int(numbers.max()) + 1
    if share in (0.0, 1.0) or count == 1:
        return wilson_interval(share, count)
    residuals = np.bincount(numbers, weights=values - share)
    variance = count / (count - 1) * float(np.square(residuals).sum()) / n**2
    effect = max(1.0, variance / (share * (1 - share) / n))
    return wilson_interval(share, n / effect)
