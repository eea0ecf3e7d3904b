"""Passthrough merges: every matrix of a model is one of some other model's, and no other model has them all.

Matrices are compared by the marks of their sketches first, then value by value. Whoever trains one layer after
another, the rest frozen, leaves the same pattern.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from lineage.genealogy.merges.types import Mixing, Recipe
from lineage.genealogy.reading import Model

SAME = 1e-6
"""Relative difference up to which two matrices are equal."""

Read = Callable[[int, str], np.ndarray]
"""A matrix of a model, by its place and name."""


class Marks:
    """Which models of a family have a matrix, by its mark."""

    def __init__(self, models: Sequence[Model]):
        self._models = models
        self._holders: dict[bytes, dict[int, str]] = {}
        for place, model in enumerate(models):
            for name, mark in model.marks.items():
                self._holders.setdefault(mark, {}).setdefault(place, name)

    def sources(self, child: int) -> dict[str, dict[int, str]]:
        """Of every matrix of a model, the others that have it, and its name there."""
        return {
            name: {place: there for place, there in self._holders[mark].items() if place != child}
            for name, mark in self._models[child].marks.items()
        }


def passthrough(child: int, marks: Marks, read: Read) -> Mixing | None:
    """How a model was put together from layers of others; None if it was not.

    Args:
        child: its place; marks: of its family; read: gives matrices.
    """
    sources = marks.sources(child)
    if not sources or not all(sources.values()):
        return None
    parents = covering(sources)
    if len(parents) < 2:
        return None
    layers = {name: next((at, held[at]) for at in parents if at in held) for name, held in sources.items()}
    if not all(_is_same(read(child, name), read(*place)) for name, place in layers.items()):
        return None
    used = [place for place, _ in layers.values()]
    weights = {place: used.count(place) / len(used) for place in parents}
    return Mixing(recipe=Recipe.PASSTHROUGH, error=0.0, weights=weights, layers=layers)


def covering(sources: Mapping[str, Mapping[int, str]]) -> list[int]:
    """Few models that have all matrices together: one after another, each time the one that has most of the rest."""
    return list(_chosen(sources))


def _chosen(sources: Mapping[str, Mapping[int, str]]) -> Iterator[int]:
    left = dict(sources)
    while left:
        counts: dict[int, int] = {}
        for held in left.values():
            for place in held:
                counts[place] = counts.get(place, 0) + 1
        best = max(sorted(counts), key=lambda place: counts[place])
        yield best
        left = {name: held for name, held in left.items() if best not in held}


def _is_same(first: np.ndarray, second: np.ndarray) -> bool:
    if first.size != second.size:
        return False
    apart = np.linalg.norm(first.ravel().astype(np.float64) - second.ravel())
    return bool(apart <= SAME * np.linalg.norm(first.ravel().astype(np.float64)))
