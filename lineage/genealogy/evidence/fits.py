"""How well an edge fits the distances between the models of a family.

Squared distances add up along a tree. So an edge belongs to the minimum spanning tree, and the way from either of its
ends to another model leaves it where the tree does: seen from a model M, two others X and Y share

    (X|Y)_M = (‖X − M‖² + ‖Y − M‖² − ‖X − Y‖²) / 2

of their ways, which is 0 if M lies between them (Buneman 1971; Gromov 1987).
"""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import networkx as nx
import numpy as np

from lineage.genealogy.answers import Pair
from lineage.genealogy.distances.geometry import Distances

LEAST_DETOUR, MOST_DETOUR = -2.0, 1.1
"""Logarithms between which a detour is told."""
LEAST_SHARED = -0.2
"""A smaller share is not told from it."""


@dataclass(frozen=True)
class Fit:
    """What distances say of a possible edge.

    detour: log of the longest step of the best way round, relative to the edge: above 0 in the spanning tree alone.
    beside: how much of its way the parent shares, seen from the child, with the child's other neighbours in the
        spanning tree: at most, 0 without another.
    below_above: how much of its way the child shares, seen from the parent, with the parent's ancestors, each weighed
        by how probable it is that it is one: at most. A child below the parent shares nothing with them.
    """

    detour: float
    beside: float
    below_above: float


def fits_of(
    distances: Distances, ancestor: Mapping[Pair, float], merges: Collection[int] = ()
) -> dict[Pair, Fit]:
    """The fit of every pair that was compared.

    Args:
        distances: of the family; ancestor: of pairs, the probability that the first is an ancestor of the second.
        merges: places of merges, which lie on several lines: they are no neighbours, and of edges from them no detour
            is told.
    """
    compared = nx.Graph(ancestor.keys())
    near = {model: sorted(compared[model]) for model in sorted(compared)}
    shared = {}
    for model, others in near.items():
        apart = distances.among([model, *others])
        sizes = np.maximum(apart[0, 1:], 1e-12).tolist()
        compared.add_weighted_edges_from(
            (model, place, size) for place, size in zip(others, sizes, strict=True)
        )
        shared[model] = _shared_from(apart)
    compared.remove_nodes_from(merges)
    tree = nx.minimum_spanning_tree(compared)
    beside, below_above = {}, {}
    for model, others in near.items():
        is_near = np.array([tree.has_edge(model, place) for place in others])
        is_above = np.array([0.0 if place in merges else ancestor[place, model] for place in others])
        with_near = np.where(is_near, shared[model], -np.inf).max(1)
        with_near = np.where(np.isfinite(with_near), np.clip(with_near, LEAST_SHARED, 1.0), 0.0)
        with_above = (np.clip(shared[model], 0.0, 1.0) * is_above).max(1)
        for number, place in enumerate(others):
            beside[model, place] = float(with_near[number])
            below_above[model, place] = float(with_above[number])
    detour = detours(compared, tree)
    return {
        (parent, child): Fit(
            detour.get((min(parent, child), max(parent, child)), 0.0),
            beside[child, parent],
            below_above[parent, child],
        )
        for parent, child in ancestor
    }


def detours(graph: nx.Graph, tree: nx.Graph) -> dict[Pair, float]:
    """Of each edge, the smaller end first, the log of the way round relative to its own weight.

    Args:
        graph: with weights; tree: its minimum spanning tree.
    """
    above, depth = {}, {}
    for root in (min(part) for part in nx.connected_components(tree)):
        depth[root] = 0
        for parent, child in nx.bfs_edges(tree, root):
            above[child], depth[child] = parent, depth[parent] + 1
    round_of = {(min(edge), max(edge)): math.inf for edge in tree.edges}
    others = [edge for edge in graph.edges if not tree.has_edge(*edge)]
    longest: dict[Pair, float] = {}
    for first, second in others:
        weight, passed = graph.edges[first, second]["weight"], 0.0
        here, there = first, second
        while here != there:
            if depth[here] < depth[there]:
                here, there = there, here
            step = (min(here, above[here]), max(here, above[here]))
            round_of[step] = min(round_of[step], weight)
            passed = max(passed, tree.edges[step]["weight"])
            here = above[here]
        longest[min(first, second), max(first, second)] = passed
    return {
        edge: float(np.clip(math.log(size / graph.edges[edge]["weight"]), LEAST_DETOUR, MOST_DETOUR))
        for edge, size in (round_of | longest).items()
    }


def _shared_from(apart: np.ndarray) -> np.ndarray:
    """From squared distances [1 + n, 1 + n] the shares of their ways that n others share, seen from the first.

    A model shares nothing with itself: −inf.
    """
    own = apart[0, 1:]
    shared = (own[:, None] + own - apart[1:, 1:]) / np.maximum(2 * np.minimum(own[:, None], own), 1e-12)
    np.fill_diagonal(shared, -np.inf)
    return shared
