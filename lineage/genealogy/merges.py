"""Models that are merges of others in their family, and with which weights.

Linear ones (average, weighted, task arithmetic, WiSE-FT, SLERP) are an exact mixture in every matrix. In non-linear
ones (TIES, DARE) many coordinates are the base's plus a fixed multiple of what one parent alone added to it, which no
training gives.
"""

from collections.abc import Sequence
from itertools import combinations, permutations

import numpy as np

from lineage.genealogy.geometry import Nearest
from lineage.genealogy.points import flat
from lineage.relation.mixture import mixture

MOST_MIXED = 12
"""Models that a mixture may be of: the nearest ones."""
MOST_PATCHED = 8
"""Models that a non-linear merge may be of, and its base: the nearest ones."""
COORDINATES = 4096
"""That are looked at for non-linear merges."""
COINCIDE = 1e-3
"""Multiples of a parent's change that differ by less, relative to them, are the same: rounding to float32."""
SHARE = 0.1
"""Share of the coordinates that moved from the base which are one parent's alone, at least."""

Weights = dict[int, float]
"""Of parents, by their places."""


def merges_of(points: Sequence[np.ndarray], nearest: Nearest) -> dict[int, Weights]:
    """The weights of each merge's parents, by places: only what rounding leaves of their differences may remain.

    Training after a merge hides it. Of three models on one line the one in the middle is the merge.

    Args:
        points: some matrices of all models, [n, rows, columns] each; nearest: of each, MOST_MIXED others.
    """
    chosen = _coordinates(points)
    found, bases = {}, {}
    for child, places in enumerate(nearest.places):
        near = [int(place) for place in places]
        weights = linear(near[:MOST_MIXED], points, child)
        if weights:
            found[child] = weights
        elif (patch := patched(near[:MOST_PATCHED], chosen, child)) is not None:
            bases[child], found[child] = patch
    exchanged = {
        child
        for child, base in bases.items()
        if bases.get(base) == child and alike(chosen, base, found[child]) > alike(chosen, child, found[base])
    }
    return {child: weights for child, weights in found.items() if child not in exchanged}


def linear(near: Sequence[int], points: Sequence[np.ndarray], child: int) -> Weights:
    """The mean weights of an exact mixture in every matrix but those of another model; none if there is none.

    Args:
        near: places of possible parents; points: some matrices of all models; child: its place.
    """
    if len(near) < 2:
        return {}
    mixtures = []
    for matrices in points:
        values = flat(matrices[[*near, child]]).astype(np.float64)
        products = values @ values.T
        if _is_anothers(products):
            continue
        mixed = mixture(
            [str(place) for place in near], products[:-1, :-1], products[:-1, -1], float(products[-1, -1])
        )
        if not mixed.is_exact:
            return {}
        mixtures.append(mixed)
    if not mixtures:
        return {}
    parents = mixtures[0].parents.keys()
    if any(mixed.parents.keys() != parents for mixed in mixtures):
        return {}
    means = {name: float(np.mean([mixed.weights[name] for mixed in mixtures])) for name in parents}
    total = sum(means.values())
    return {int(name): weight / total for name, weight in means.items()}


def patched(near: Sequence[int], values: np.ndarray, child: int) -> tuple[int, Weights] | None:
    """The base of a non-linear merge, which has most in common with it, and the multiples of its parents' changes.

    TIES (Yadav et al. 2023, arXiv:2306.01708) and DARE (Yu et al. 2024, arXiv:2311.03099), with their base among the
    models.

    Args:
        near: places of possible parents and bases; values: some coordinates of all models, [n, k]; child: its place.

    Returns:
        None if it is no such merge.
    """
    hits: dict[int, dict[int, tuple[float, np.ndarray]]] = {}
    for base, parent in permutations(near, 2):
        moved = values[child] != values[base]
        added = values[parent] - values[base]
        counts = moved & (added != 0)
        if not counts.any() or counts.sum() < SHARE * moved.sum():
            continue
        multiples = (values[child] - values[base])[counts] / added[counts]
        multiple = commonest(multiples)
        is_hit = np.zeros_like(moved)
        is_hit[counts] = np.abs(multiples - multiple) <= COINCIDE * abs(multiple)
        if is_hit.sum() >= SHARE * moved.sum() and multiple > 0:
            hits.setdefault(base, {})[parent] = (multiple, is_hit)
    best, most = None, (-1.0, 0.0)
    for base, of_base in hits.items():
        moved = values[child] != values[base]
        times = sum(is_hit.astype(int) for _, is_hit in of_base.values())
        shares = {
            parent: float((is_hit & (times == 1)).sum() / moved.sum())
            for parent, (_, is_hit) in of_base.items()
        }
        weights = {parent: of_base[parent][0] for parent, share in shares.items() if share >= SHARE}
        explained = 1 - float(moved.mean()), sum(shares.values())
        if len(weights) > 1 and explained > most:
            best, most = (base, weights), explained
    return best


def alike(values: np.ndarray, base: int, parents: Weights) -> float:
    """The largest cosine of what two parents added to a base: small for the true base of a merge."""
    changes = [values[parent] - values[base] for parent in parents]
    sizes = [np.linalg.norm(change) for change in changes]
    return max(
        float(changes[first] @ changes[second] / (sizes[first] * sizes[second]))
        for first, second in combinations(range(len(changes)), 2)
    )


def commonest(values: np.ndarray) -> float:
    """The value near which most are, in a window of COINCIDE relative to it."""
    ordered = np.sort(values)
    ends = np.searchsorted(ordered, ordered + COINCIDE * np.abs(ordered), side="right")
    densest = int((ends - np.arange(len(ordered))).argmax())
    return float(np.median(ordered[densest : ends[densest]]))


def _coordinates(points: Sequence[np.ndarray]) -> np.ndarray:
    """Some coordinates of all matrices, in float64: [n, k]."""
    each = max(1, COORDINATES // len(points))
    parts = []
    for number, matrices in enumerate(points):
        values = flat(matrices)
        places = np.random.default_rng(number).permutation(values.shape[1])[:each]
        parts.append(values[:, places].astype(np.float64))
    return np.concatenate(parts, axis=1)


def _is_anothers(products: np.ndarray) -> bool:
    """Whether one of some arrays is the last one, up to rounding: from all their inner products."""
    sizes, energy = np.diagonal(products)[:-1], products[-1, -1]
    return bool((energy - 2 * products[:-1, -1] + sizes <= 1e-9 * energy).any())
