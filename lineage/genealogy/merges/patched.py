"""Non-linear merges: many coordinates are a base's plus one fixed multiple of what one parent alone added to it.

TIES (Yadav et al. 2023, arXiv:2306.01708) drops the smallest changes of each parent, and where signs disagree those
of the weaker one; DARE (Yu et al. 2024, arXiv:2311.03099) drops changes at random and scales up what stays. No
training gives such coordinates. Where the base is not among the models, only parents whose multiple is 1 are found:
the coordinates are then theirs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, permutations

import numpy as np

from lineage.genealogy.distances.points import flat
from lineage.genealogy.merges.types import Mixing, Recipe, Weights

MOST_PATCHED = 24
"""Models that a non-linear merge may be of, and its base: the nearest ones."""
COORDINATES = 8192
"""That are looked at."""
SCREENED = 512
"""Of these, the first so many say which pairs of a base and a parent are looked at in all of them."""
COINCIDE = 1e-3
"""Multiples of a parent's change that differ by less, relative to them, are the same: rounding to float32."""
SHARE = 0.1
"""Share of the coordinates that moved from the base which are one parent's alone, at least."""
LARGER = 1.2
"""TIES keeps changes that are larger than the rest by this factor at least, in the median; DARE any."""

UNEXPLAINED = 0.2
"""Error from which on it is no merge of a base that is here."""


@dataclass(frozen=True)
class Hits:
    """Coordinates at which a model is a base's value plus a multiple of a parent's change: [k] of true and false."""

    multiple: float
    at: np.ndarray


def coordinates(points: Sequence[np.ndarray]) -> np.ndarray:
    """Some coordinates of all matrices, in float64 and random order: [n, k]."""
    each = max(1, COORDINATES // len(points))
    parts = []
    for number, matrices in enumerate(points):
        values = flat(matrices)
        places = np.random.default_rng(number).permutation(values.shape[1])[:each]
        parts.append(values[:, places].astype(np.float64))
    found = np.concatenate(parts, axis=1)
    return found[:, np.random.default_rng(len(points)).permutation(found.shape[1])]


def patched(near: Sequence[int], values: np.ndarray, child: int) -> Mixing | None:
    """How a model was merged non-linearly, its base being what has most in common with it; None if it was not.

    Args:
        near: places of possible parents and bases; values: some coordinates of all models, [n, k]; child: its place.
    """
    near = [place for place in near if (values[place] != values[child]).any()]
    hits: dict[int, dict[int, Hits]] = {}
    for base, parent in permutations(near, 2):
        if hits_of(values[:, :SCREENED], base, parent, child) is not None:
            found = hits_of(values, base, parent, child)
            if found is not None:
                hits.setdefault(base, {})[parent] = found
    best, most = None, (-1.0, 0.0)
    for base, of_base in hits.items():
        moved = values[child] != values[base]
        times = sum(found.at.astype(int) for found in of_base.values())
        alone = {parent: found.at & (times == 1) for parent, found in of_base.items()}
        parents = [parent for parent, at in alone.items() if at.sum() >= SHARE * moved.sum()]
        explained = 1 - float(moved.mean()), float(sum(alone[parent].sum() for parent in parents))
        if len(parents) > 1 and explained > most:
            chosen = {parent: Hits(of_base[parent].multiple, alone[parent]) for parent in parents}
            best, most = mixing_of(values, child, base, chosen), explained
    if best is not None and best.error <= UNEXPLAINED:
        return best
    return without_base(near, values, child)


def hits_of(values: np.ndarray, base: int, parent: int, child: int) -> Hits | None:
    """Where a child has the base's value plus the commonest multiple of the parent's change; None if too rarely."""
    moved = values[child] != values[base]
    added = values[parent] - values[base]
    counts = moved & (added != 0)
    if not counts.any() or counts.sum() < SHARE * moved.sum():
        return None
    multiples = (values[child] - values[base])[counts] / added[counts]
    multiple = commonest(multiples)
    at = np.zeros_like(moved)
    at[counts] = np.abs(multiples - multiple) <= COINCIDE * abs(multiple)
    return Hits(multiple, at) if multiple > 0 and at.sum() >= SHARE * moved.sum() else None


def mixing_of(values: np.ndarray, child: int, base: int, hits: dict[int, Hits]) -> Mixing:
    """The recipe, weights and error of a merge of known base and parents.

    DARE multiplies a parent's change by its weight / (1 − the share dropped). That share is the one at which nothing
    moved, of the coordinates at which this parent alone or nothing did.
    """
    unmoved = values[child] == values[base]
    dropped = {
        parent: float(unmoved.sum() / max(unmoved.sum() + found.at.sum(), 1))
        for parent, found in hits.items()
    }
    changes = {parent: values[parent] - values[base] for parent in hits}
    is_ties = all(
        np.median(np.abs(changes[parent][found.at])) >= LARGER * np.median(np.abs(changes[parent][unmoved]))
        if unmoved.any()
        else True
        for parent, found in hits.items()
    )
    weights = {
        parent: found.multiple if is_ties else found.multiple * (1 - dropped[parent])
        for parent, found in hits.items()
    }
    moved = values[child] - values[base]
    left = moved - fitted(changes, {parent: found.multiple for parent, found in hits.items()}, moved)
    return Mixing(
        recipe=Recipe.TIES if is_ties else Recipe.DARE,
        error=float(np.linalg.norm(left) / np.linalg.norm(moved)),
        weights=weights,
        base=base,
        left_out=float(np.mean(list(dropped.values()))),
    )


def fitted(changes: dict[int, np.ndarray], multiples: Weights, moved: np.ndarray) -> np.ndarray:
    """The nearest, at each coordinate, of what some of the parents give: their sum, or their mean, or nothing."""
    best = np.zeros_like(moved)
    scaled = {parent: multiples[parent] * change for parent, change in changes.items()}
    for count in range(1, len(changes) + 1):
        for chosen in combinations(changes, count):
            total = sum(scaled[parent] for parent in chosen)
            for value in (total, total / count):
                best = np.where(np.abs(moved - value) < np.abs(moved - best), value, best)
    return best


def without_base(near: Sequence[int], values: np.ndarray, child: int) -> Mixing | None:
    """A TIES merge at full strength whose base is not here: many coordinates are those of one parent alone.

    Two models that share values with each other there say nothing.
    """
    at = {place: values[place] == values[child] for place in near}
    likely = [place for place, is_same in at.items() if is_same.mean() >= SHARE]
    times = sum((at[place].astype(int) for place in likely), np.zeros(values.shape[1], int))
    alone = {place: at[place] & (times == 1) for place in likely}
    parents = [place for place, found in alone.items() if found.mean() >= SHARE]
    if len(parents) < 2:
        return None
    nearest = min(float(np.linalg.norm(values[place] - values[child])) for place in parents)
    unexplained = ~np.any([alone[place] for place in parents], axis=0)
    left = np.min([np.abs(values[place] - values[child])[unexplained] for place in parents], axis=0)
    return Mixing(
        recipe=Recipe.TIES, error=float(np.linalg.norm(left) / nearest), weights=dict.fromkeys(parents, 1.0)
    )


def alike(values: np.ndarray, base: int, parents: Weights) -> float:
    """The largest |cosine| of what two parents added to a base: small for the true base of a merge.

    Args:
        values: some coordinates of all models, [n, k]; base: its place; parents: which the base may be one of.
    """
    changes = [values[parent] - values[base] for parent in parents if parent != base]
    sizes = [np.linalg.norm(change) for change in changes]
    cosines = (
        abs(float(changes[first] @ changes[second] / (sizes[first] * sizes[second])))
        for first, second in combinations(range(len(changes)), 2)
    )
    return max(cosines, default=0.0)


def commonest(values: np.ndarray) -> float:
    """The value near which most are, in a window of COINCIDE relative to it."""
    ordered = np.sort(values)
    ends = np.searchsorted(ordered, ordered + COINCIDE * np.abs(ordered), side="right")
    densest = int((ends - np.arange(len(ordered))).argmax())
    return float(np.median(ordered[densest : ends[densest]]))
