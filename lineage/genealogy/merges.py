"""Models that are merges of others in their family, and with which weights."""

from collections.abc import Sequence

import numpy as np

from lineage.relation.mixture import Mixture, mixture

MOST_MIXED = 12
"""Models that a merge may be of: the nearest ones."""


def merges_of(points: Sequence[np.ndarray], distances: np.ndarray) -> dict[int, dict[int, float]]:
    """The weights of each merge's parents, by places: only what rounding leaves of their differences may remain.

    Training after a merge hides it. Of three models on one line the one in the middle is the merge.

    Args:
        points: some matrices of all models, [n, rows, columns] each; distances: squared, [n, n].
    """
    flat = [matrices.reshape(len(matrices), -1).astype(np.float64) for matrices in points]
    products = sum(values @ values.T for values in flat)
    found = {}
    for child in range(len(distances)):
        near = [int(place) for place in np.argsort(distances[child]) if place != child][:MOST_MIXED]
        if len(near) < 2:
            continue
        mixed = _mixture(near, products, child)
        if mixed.is_exact and all(0 < weight < 1 for weight in mixed.parents.values()):
            found[child] = {int(name): weight for name, weight in mixed.parents.items()}
    return found


def _mixture(near: Sequence[int], products: np.ndarray, child: int) -> Mixture:
    return mixture(
        [str(place) for place in near],
        products[np.ix_(near, near)],
        products[near, child],
        float(products[child, child]),
    )
