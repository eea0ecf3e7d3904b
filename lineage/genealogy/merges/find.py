"""Which models of a family are merges of others: only what rounding leaves of their differences may remain.

Training after a merge hides it. Of three models on one line the one in the middle is the merge.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence

import networkx as nx
import numpy as np

from lineage.checkpoints.plain.form import open_plain_model
from lineage.genealogy.distances.geometry import Nearest
from lineage.genealogy.merges.linear import linear
from lineage.genealogy.merges.passthrough import Marks, passthrough
from lineage.genealogy.merges.patched import MOST_PATCHED, alike, patched
from lineage.genealogy.merges.types import Mixing
from lineage.genealogy.reading import Model

MOST_MIXED = 48
"""Models that a mixture may be of: the nearest ones."""


def merges_of(
    points: Sequence[np.ndarray],
    chosen: np.ndarray,
    nearest: Nearest,
    ancestor: Mapping[tuple[int, int], float],
    known: Mapping[int, Mixing] | None = None,
    copied: Collection[tuple[int, int]] = (),
) -> dict[int, Mixing]:
    """How each merge was merged, by its place; a non-linear one is of models that are no merges themselves.

    Args:
        points: some matrices of all models, [n, rows, columns] each; chosen: some coordinates of them, [n, k].
        nearest: of each, MOST_MIXED others.
        ancestor: of pairs, the probability that the first is an ancestor of the second.
        known: merges that were put together from layers.
        copied: pairs of a source and a pruned or rounded copy. Copies have values of each other here and there, and
            are no merges; their sources are no merges of them.
    """
    found: dict[int, Mixing] = dict(known or {})
    trained = list(_without_copies(nearest, copied))
    for child, near in trained:
        if child not in found and (mixing := linear(near, points, child, ancestor)) is not None:
            found[child] = mixing
    whole = set(found)
    for child, near in trained:
        possible = [place for place in near if place not in whole][:MOST_PATCHED]
        if child not in whole and (mixing := patched(possible, chosen, child)) is not None:
            found[child] = mixing
    exchanged = {
        child
        for child, mixing in found.items()
        if mixing.base in found
        and found[mixing.base].base == child
        and alike(chosen, mixing.base, mixing.weights) > alike(chosen, child, found[mixing.base].weights)
    }
    return {child: mixing for child, mixing in found.items() if child not in exchanged}


def _without_copies(nearest: Nearest, copied: Collection[tuple[int, int]]) -> Iterator[tuple[int, list[int]]]:
    """Each model that is no copy, and those near it that are no copies of it, nor of its copies, if there are any."""
    sources = nx.DiGraph(copied)
    sources.add_nodes_from(range(len(nearest.places)))
    for child, places in enumerate(nearest.places):
        if not sources.in_degree(child):
            own = nx.descendants(sources, child)
            if others := [int(place) for place in places if int(place) not in own]:
                yield child, others


def put_together(models: Sequence[Model], *, follow: bool) -> dict[int, Mixing]:
    """How each model that was put together from layers of others was merged, by its place.

    Args:
        models: of a family; follow: links out of the folders.
    """

    def read(place: int, name: str) -> np.ndarray:
        source = models[place].source
        return open_plain_model(source.path, inside=source.inside, follow=follow).read(name)

    marks = Marks(models)
    found = {child: passthrough(child, marks, read) for child in range(len(models))}
    return {child: mixing for child, mixing in found.items() if mixing is not None}
