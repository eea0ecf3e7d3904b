"""Intervals of shares."""

import numpy as np

Z95 = 1.959963984540054
"""Two-sided 95 % quantile of the normal distribution."""


def wilson_interval(share: float, n: int) -> tuple[float, float]:
    """The 95 % score interval of a share of n (Wilson 1927, doi:10.1080/01621459.1927.10502953)."""
    centre = (share + Z95**2 / (2 * n)) / (1 + Z95**2 / n)
    half = Z95 / (1 + Z95**2 / n) * np.sqrt(share * (1 - share) / n + Z95**2 / (4 * n**2))
    return float(max(0.0, centre - half)), float(min(1.0, centre + half))
