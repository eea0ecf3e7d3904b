"""Linear merges: a model is an exact mixture of others in every matrix, and of the same ones.

Average, weighted average, SLERP (Shoemake 1985, doi:10.1145/325334.325242), WiSE-FT (Wortsman et al. 2022,
arXiv:2109.01903) and task arithmetic (Ilharco et al. 2023, arXiv:2212.04089): (1 − Σλ) base + Σλ_k parent_k, so the
base's weight may be negative. An exact mixture of points that are not on one line or plane is the only one; of others
the one of fewest points is taken.
"""

from collections.abc import Mapping, Sequence
from itertools import combinations
from math import comb

import numpy as np

from lineage.genealogy.distances.points import flat
from lineage.genealogy.merges.types import Mixing, Recipe
from lineage.relation.mixture import SMALLEST, SUM, mixture

EXACT = 1e-4
"""Share of its parts' squared differences from a merge that a mixture may leave, whatever its signs."""
MOST_POSITIVE = 12
"""Models that a merge in half precision may be of, the nearest: there only positive weights are sought."""
SAME = 1e-9
"""Squared distance, relative to the weights, up to which two matrices are equal."""
SIMPLER = 3.0
"""A simpler recipe may leave so many times what the best one leaves."""
ROUNDING = 1e-3
"""An error up to this is rounding."""
MOST_TRIED = 2000
"""Choices of so many parents, at most, of which the right one is sought: all that there are of four of sixteen."""
BASE = 0.5
"""Probability from which on a model is an ancestor."""


def linear(
    near: Sequence[int],
    points: Sequence[np.ndarray],
    child: int,
    ancestor: Mapping[tuple[int, int], float],
) -> Mixing | None:
    """How a model was merged linearly; None if it was not.

    Args:
        near: places of possible parents; points: some matrices of all models, [n, rows, columns]; child: its place.
        ancestor: of pairs, the probability that the first is an ancestor of the second.
    """
    used: list[np.ndarray] = []
    parents: tuple[int, ...] | None = None
    for matrices in points:
        products = inner_products(matrices, [*near, child])
        if equal_to_last(products).any():
            continue
        found = mixed(near, products)
        if found is None or (parents is not None and found != parents):
            return None
        parents = found
        used.append(inner_products(matrices, [*parents, child]))
    mixing = best_recipe(parents, used, ancestor) if parents is not None else None
    return mixing if mixing is not None and is_possible(mixing) else None


def is_possible(mixing: Mixing) -> bool:
    """Whether only the base has a negative weight: one of four at the corners of a parallelogram is any of them."""
    return all(weight > 0 or place == mixing.base for place, weight in mixing.weights.items())


def mixed(near: Sequence[int], products: np.ndarray) -> tuple[int, ...] | None:
    """The places of what an array is an exact mixture of, in order; None if it is none.

    Args:
        near: places; products: inner products of their arrays and, last, the mixture's.
    """
    heavy = fewest(products, heaviest(products))
    if is_mixture(products, heavy):
        return tuple(sorted(near[place] for place in heavy))
    few = min(len(near), MOST_POSITIVE)
    names = [str(place) for place in range(few)]
    found = mixture(names, products[:few, :few], products[:few, -1], float(products[-1, -1]))
    return tuple(sorted(near[int(name)] for name in found.parents)) if found.is_exact else None


def heaviest(products: np.ndarray) -> list[int]:
    """Which arrays the last one is mixed of, others left out one by one, lightest first.

    Other merges lie on one plane with their own parents, so weights are only sure once such ones are left out.
    """
    found = distinct(products[:-1, :-1])
    while found:
        part = with_last(products, found)
        weights = solved(part)
        lightest = int(np.abs(weights).argmin())
        if abs(weights[lightest]) >= SMALLEST or left_by(weights, part) > EXACT * max(
            weights**2 @ from_last(part), part[-1, -1] * SAME
        ):
            break
        del found[lightest]
    return found


def fewest(products: np.ndarray, heavy: Sequence[int]) -> list[int]:
    """The fewest of some arrays that the last one is mixed of about as exactly as of all; none if these are no merge.

    Another merge among them lies on one line or plane with its own parents, so that all share the weights. Of as few
    the farthest are taken, of equally far ones the first: of three on a line the one in the middle is the merge, and
    an end is none of the others. Nor do a line's ends count, beside more, where they alone would leave as little.
    Rounded copies of the last one do not count.
    """
    if len(heavy) < 2:
        return list(heavy)
    part = with_last(products, heavy)
    weights = solved(part)
    left = left_by(weights, part)
    if not is_exact(weights, part):
        return list(heavy)
    bound = max(SIMPLER**2 * left, ROUNDING**2 * from_last(part).min())
    apart = from_last(products)
    different = [place for place in distinct(products[:-1, :-1]) if apart[place] > bound]
    fitting: list[set[int]] = []
    for count in range(2, len(heavy) + 1):
        among = next((some for some in (different, heavy) if comb(len(some), count) <= MOST_TRIED), ())
        few = np.array(list(combinations(among, count)), int).reshape(-1, count)
        fit = few[left_by_each(few, products) <= bound].tolist()
        fit = [places for places in fit if not any(fewer <= set(places) for fewer in fitting)]
        if merges := [places for places in fit if is_mixture(products, places)]:
            return max(merges, key=lambda places: float(f"{apart[places].sum():.1e}"))
        fitting += map(set, fit)
    return [] if fitting else list(heavy)


def is_mixture(products: np.ndarray, heavy: Sequence[int]) -> bool:
    """Whether the last array is an exact mixture of some others, one of them at most with a negative weight."""
    if len(heavy) < 2:
        return False
    part = with_last(products, heavy)
    weights = solved(part)
    return bool(
        SUM[0] <= weights.sum() <= SUM[1]
        and (weights < 0).sum() <= (len(heavy) > 2)
        and np.abs(weights).min() >= SMALLEST
        and is_exact(weights, part)
    )


def is_exact(weights: np.ndarray, part: np.ndarray) -> bool:
    """Whether a mixture leaves little of its parts' squared differences from the last array."""
    return bool(left_by(weights, part) <= EXACT * (weights**2 @ from_last(part)))


def best_recipe(
    parents: Sequence[int], used: Sequence[np.ndarray], ancestor: Mapping[tuple[int, int], float]
) -> Mixing:
    """The simplest recipe that fits about as well as the best one.

    Args:
        parents: places; used: of each matrix, inner products of theirs and, last, the merge's.
        ancestor: of pairs, the probability that the first is an ancestor of the second.
    """
    total = sum(used)
    even, share = np.full(len(parents), 1 / len(parents)), 0.0
    fits = {Recipe.AVERAGE: [even] * len(used), Recipe.WEIGHTED: [on_plane(total)] * len(used)}
    if len(parents) == 2:
        share, fits[Recipe.SLERP] = slerped(used)
    nearest = float(from_last(total).min())
    errors = {
        recipe: float(np.sqrt(sum(map(left_by, weights, used)) / max(nearest, 1e-30)))
        for recipe, weights in fits.items()
    }
    bound = max(SIMPLER * min(errors.values()), ROUNDING)
    recipe = next(recipe for recipe, error in errors.items() if error <= bound)
    weights = np.array([1 - share, share]) if recipe is Recipe.SLERP else fits[recipe][0]
    base = base_among(parents, ancestor) if recipe is not Recipe.SLERP else None
    error = errors[recipe]
    if base is not None:
        recipe = Recipe.WISE_FT if len(parents) == 2 else Recipe.TASK_ARITHMETIC
    by_place = {place: float(weight) for place, weight in zip(parents, weights, strict=True)}
    return Mixing(recipe=recipe, error=error, weights=by_place, base=base)


def base_among(parents: Sequence[int], ancestor: Mapping[tuple[int, int], float]) -> int | None:
    """The parent that is an ancestor of all others; None if there is none."""
    for place in parents:
        if all(ancestor.get((place, below), 0.0) >= BASE for below in parents if below != place):
            return place
    return None


def slerped(used: Sequence[np.ndarray]) -> tuple[float, list[np.ndarray]]:
    """The share of the second of two parents, and the weights of both in every matrix, whose angle sets them."""
    shares, angles = [], []
    for products in used:
        sizes = np.sqrt(np.diagonal(products)[:2])
        angle = float(np.arccos(np.clip(products[0, 1] / (sizes[0] * sizes[1]), -1, 1)))
        first, second = solved(products)
        angles.append(max(angle, 1e-9))
        shares.append(np.arctan2(second * np.sin(angle), first + second * np.cos(angle)) / angles[-1])
    share = float(np.median(shares))
    weights = [
        np.array([np.sin((1 - share) * angle), np.sin(share * angle)]) / np.sin(angle) for angle in angles
    ]
    return share, weights


def solved(products: np.ndarray) -> np.ndarray:
    """The weights of the nearest mixture, from inner products of the parts and, last, of what is mixed."""
    return np.linalg.lstsq(products[:-1, :-1], products[:-1, -1], rcond=1e-13)[0]


def on_plane(products: np.ndarray) -> np.ndarray:
    """The same with weights that add up to 1."""
    part = products[:-1] - products[:1]
    around, towards = part[1:, 1:-1] - part[1:, :1], part[1:, -1] - part[1:, 0]
    others = np.linalg.lstsq(around, towards, rcond=1e-13)[0]
    return np.array([1 - others.sum(), *others])


def left_by(weights: np.ndarray, products: np.ndarray) -> float:
    """‖mixture − what is mixed‖²."""
    signed = np.array([*weights, -1.0])
    return max(float(signed @ products @ signed), 0.0)


def left_by_each(few: np.ndarray, products: np.ndarray) -> np.ndarray:
    """‖nearest mixture − the last one‖² for arrays at these places, [sets, places each]."""
    grams, towards = products[few[:, :, None], few[:, None, :]], products[few, -1]
    weights = np.einsum("sij,sj->si", np.linalg.pinv(grams, rcond=1e-13, hermitian=True), towards)
    explained = 2 * (weights * towards).sum(1) - np.einsum("si,sij,sj->s", weights, grams, weights)
    return np.maximum(products[-1, -1] - explained, 0.0)


def inner_products(matrices: np.ndarray, places: Sequence[int]) -> np.ndarray:
    """Of some models' matrices, around the last one: [k, k] in float64."""
    values = flat(matrices[list(places)]).astype(np.float64)
    return values @ values.T


def with_last(products: np.ndarray, places: Sequence[int]) -> np.ndarray:
    """Inner products of some of the arrays and the last one."""
    chosen = [*places, len(products) - 1]
    return products[np.ix_(chosen, chosen)]


def from_last(products: np.ndarray) -> np.ndarray:
    """‖array − last one‖² of each of the others."""
    return products[-1, -1] - 2 * products[:-1, -1] + np.diagonal(products)[:-1]


def equal_to_last(products: np.ndarray) -> np.ndarray:
    """Which arrays are the last one, up to rounding."""
    return from_last(products) <= SAME * products[-1, -1]


def distinct(products: np.ndarray) -> list[int]:
    """The first of each group of equal arrays."""
    found: list[int] = []
    sizes = np.diagonal(products)
    for place in range(len(products)):
        apart = sizes[place] - 2 * products[place, found] + sizes[found]
        if not (apart <= SAME * sizes[place]).any():
            found.append(place)
    return found
