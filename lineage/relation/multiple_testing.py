"""What is left of a p-value where there are several: of candidates, of layers, of children."""

import math
from collections.abc import Collection, Container, Mapping
from dataclasses import dataclass

from lineage.relation.permutation_test import RowTest


@dataclass(frozen=True)
class Level:
    """The correction for several candidates, Bonferroni's.

    alpha: the rate of false positives over all of them; candidates: how many.
    """

    alpha: float
    candidates: int

    @classmethod
    def over(cls, tested: int, alpha: float) -> "Level":
        """The level of as many candidates, of one at least."""
        return cls(alpha, max(1, tested))

    @property
    def limit(self) -> float:
        """log10 p of a candidate, its own, at most this is dependence."""
        return math.log10(self.alpha / self.candidates)

    def corrected(self, log10_p: float) -> float:
        """log10 of a candidate's p-value over all candidates."""
        return min(0.0, log10_p + math.log10(self.candidates))


def combined(log10_ps: Collection[float], at_least: int = 2) -> float:
    """log10 of a p-value for `at_least` of the layers being dependent: (L − u + 1) · p_(u); 0 of fewer layers.

    Valid however the layers depend on each other (Benjamini & Heller 2008, doi:10.1111/j.1541-0420.2007.00984.x).
    So a single shared layer is no evidence, whether there are more layers or not.
    """
    left = len(log10_ps) - at_least + 1
    return min(0.0, sorted(log10_ps)[at_least - 1] + math.log10(left)) if left > 0 else 0.0


def beyond_a_fixed_part(tests: Mapping[str, RowTest], unmoved: Container[str]) -> float:
    """log10 of a p-value for more than a fixed part that both networks hold: the network of a loss, constants.

    At least two layers are dependent and, where some layers are the same in both and others differ, at least one of
    those that differ. So the p-value is valid whatever part is the same, if the rest is independent.

    Args:
        tests: by layer; unmoved: the layers that are the same in both.
    """
    moved = [test.log10_p for name, test in tests.items() if name not in unmoved]
    every = combined([test.log10_p for test in tests.values()])
    return max(every, combined(moved, at_least=1)) if 0 < len(moved) < len(tests) else every


def discoveries(log10_ps: list[float], rate: float) -> list[bool]:
    """Which are significant at this false discovery rate, however they depend on each other.

    Children that share candidates do (Benjamini & Yekutieli 2001, doi:10.1214/aos/1013699998).
    """
    count = len(log10_ps)
    order = sorted(range(count), key=log10_ps.__getitem__)
    share = rate / (count * sum(1 / rank for rank in range(1, count + 1))) if count else rate
    last = max(
        (rank for rank, at in enumerate(order, 1) if log10_ps[at] <= math.log10(share * rank)), default=0
    )
    significant = set(order[:last])
    return [at in significant for at in range(count)]
