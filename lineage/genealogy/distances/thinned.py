"""Pairs of which one may be the other, pruned: far apart by distance, and equal wherever the pruned one is not 0."""

import numpy as np

from lineage.relation.direction.lost import PRUNED

ROUNDED = 2**-8
"""Values that differ by less, relative to them, are the same in half precision."""
EQUAL = 0.9
"""Share of what is left of a pruned one that its source has too, at least."""


def thinned_pairs(values: np.ndarray) -> set[tuple[int, int]]:
    """The places of a source and a pruned copy of it, or of one of its copies; not of two with the same zeros.

    Args:
        values: some coordinates of all models, [n, k]; a model with zeros in few of them is not seen to be pruned.
    """
    is_zero = values == 0
    found = set()
    for copy in np.flatnonzero(is_zero.mean(1) >= PRUNED):
        left = ~is_zero[copy]
        fuller = np.flatnonzero((is_zero[copy] & ~is_zero).mean(1) >= PRUNED)
        if left.any() and len(fuller):
            equal = np.isclose(values[fuller][:, left], values[copy, left], rtol=ROUNDED, atol=0).mean(1)
            found |= {(int(source), int(copy)) for source in fuller[equal >= EQUAL]}
    return found
