"""Intervals of shares whose cases come in clusters: children of one root, models of one family."""

from collections.abc import Hashable, Sequence

import numpy as np
from scipy.special import stdtrit

Z95 = 1.959963984540054
"""Two-sided 95 % quantile of the normal distribution."""
PRIOR = 2
"""So many degrees of freedom of independent cases the design effect is given before clusters are seen."""
ALIKE = 0.2
"""The correlation of a cluster's cases where the cases themselves say nothing of it, being all right or all wrong.

Both are chosen by `make bench-intervals`, which prints how often these and other intervals cover.
"""


def wilson_interval(share: float, n: float, quantile: float = Z95) -> tuple[float, float]:
    """The 95 % score interval of a share of n independent cases (Wilson 1927, doi:10.1080/01621459.1927.10502953)."""
    centre = (share + quantile**2 / (2 * n)) / (1 + quantile**2 / n)
    half = quantile / (1 + quantile**2 / n) * np.sqrt(share * (1 - share) / n + quantile**2 / (4 * n**2))
    return float(max(0.0, centre - half)), float(min(1.0, centre + half))


def clustered_interval(credits: Sequence[float], clusters: Sequence[Hashable]) -> tuple[float, float]:
    """The 95 % interval of a share where the cases of one cluster are alike: Wilson's, of fewer cases.

    The number of cases is divided by the design effect, the variance of the share over clusters by that of as many
    independent cases (Korn & Graubard 1998). A few clusters say little of it, so it is drawn towards 1 with the
    weight of PRIOR degrees of freedom, and the quantile is Student's (Smyth 2004, doi:10.2202/1544-6115.1027). Where
    all or none are right, or there is one cluster alone, its cases correlate by ALIKE: the effect of m cases in each
    is 1 + (m - 1) ALIKE (Kish 1965).

    Args:
        credits: of each case, 0 … 1.
        clusters: the case's.
    """
    values = np.asarray(credits, dtype=float)
    share, n = float(values.mean()), len(values)
    numbers = {cluster: number for number, cluster in enumerate(dict.fromkeys(clusters))}
    count = len(numbers)
    of_case = [numbers[cluster] for cluster in clusters]
    if share in (0.0, 1.0) or count == 1:
        effect = 1 + (np.square(np.bincount(of_case)).sum() / n - 1) * ALIKE
    else:
        residuals = np.bincount(of_case, weights=values - share)
        variance = count / (count - 1) * float(np.square(residuals).sum()) / n**2
        effect = variance / (share * (1 - share) / n)
        effect = (PRIOR + (count - 1) * effect) / (PRIOR + count - 1)
    quantile = stdtrit(count - 1 + 2 * PRIOR, 0.975)
    return wilson_interval(share, n / effect, float(quantile))
