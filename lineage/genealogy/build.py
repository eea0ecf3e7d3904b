"""A family's tree from its models: distances, pairwise answers, merges, the most probable arborescence."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import networkx as nx
import numpy as np

from lineage.auditing.stages.thirds.passing import Direction
from lineage.genealogy.answers import answers_of, neighbours_of
from lineage.genealogy.arborescence import NO_PARENT, Parents, Search
from lineage.genealogy.contained import Contained
from lineage.genealogy.geometry import distances, points
from lineage.genealogy.merges import merges_of
from lineage.genealogy.reading import Model
from lineage.genealogy.types import Edge, Kind, Node
from lineage.index.digest import DigestCache

NEIGHBOURS = 8
"""Models that each one is compared with: the nearest, and those that it is among the nearest of."""
SURE = 0.8
"""Probability from which on an edge is given a direction. Chosen on families with seeds below 3."""
STRAIGHT = 0.1
"""Cosine of two steps in a row from which on they are of one training line."""


@dataclass(frozen=True)
class Evidence:
    """What is known of a family: its models' squared distances [n, n], matrices, and how far apart they are."""

    points: Sequence[np.ndarray]
    distances: np.ndarray
    change: np.ndarray


def family_tree(
    models: Sequence[Model], family: str, cache: DigestCache, direction: Direction, *, follow: bool
) -> tuple[list[Node], list[Edge]]:
    """The nodes and edges of one family.

    Args:
        models: related to each other; family: its id; cache: of digests.
        direction: estimates a share from features; follow: links out of the folders.
    """
    nodes = [node_of(model, family) for model in models]
    matrices = points(models, follow=follow) if len(models) > 1 else []
    if not matrices:
        return nodes, []
    parts = distances(matrices)
    apart = parts.sum(0)
    answers = answers_of(models, neighbours_of(apart, NEIGHBOURS), cache, direction, follow=follow)
    merges = merges_of(matrices, apart)
    search = Search(answers.ancestor, parts, Contained(matrices), barred_by(merges, len(models)))
    parents = search.best()
    probability, alone = search.probabilities(parents)
    known = Evidence(matrices, apart, answers.change)
    named = [node.id for node in nodes]
    edges = list(trained_edges(named, parents, probability, known))
    edges += merged_edges(named, parents, merges)
    return _with_open_nodes(nodes, edges, parents, merges, answers.ancestor, alone, family)


def node_of(model: Model, family: str) -> Node:
    """A model as a node."""
    return Node(
        id=model.id, family=family, file=model.source.path, hash=model.content, copies=list(model.copies)
    )


def barred_by(merges: dict[int, dict[int, float]], count: int) -> frozenset[tuple[int, int]]:
    """Edges that merges forbid: a merge was trained from nothing, and its parents do not descend from it."""
    into = {(place, merge) for merge in merges for place in range(count)}
    back = {(merge, parent) for merge, parents in merges.items() for parent in parents}
    return frozenset(into | back)


def trained_edges(
    named: Sequence[str], parents: Parents, probability: np.ndarray, known: Evidence
) -> Iterator[Edge]:
    """An edge for each model with a parent; undirected where its direction or the parent itself is not sure."""
    for child, parent in parents.items():
        if parent == NO_PARENT:
            continue
        forth, back = probability[parent, child], probability[child, parent]
        is_directed = bool(forth >= SURE)
        change = known.change[parent, child]
        yield Edge(
            parent=named[parent],
            child=named[child],
            kind=Kind.LINE if _is_straight(parents, child, known.points) else Kind.TRAINED,
            probability=float(forth if is_directed else min(1.0, forth + back)),
            is_directed=is_directed,
            change=float(change) if np.isfinite(change) else None,
        )


def merged_edges(
    named: Sequence[str], parents: Parents, merges: dict[int, dict[int, float]]
) -> Iterator[Edge]:
    """An edge from each parent of a merge; none for a merge whose parents would descend from it."""
    graph = nx.DiGraph((parent, child) for child, parent in parents.items() if parent != NO_PARENT)
    for merge, weights in merges.items():
        if any(graph.has_node(merge) and parent in nx.descendants(graph, merge) for parent in weights):
            continue
        graph.add_edges_from((parent, merge) for parent in weights)
        for parent, weight in weights.items():
            yield Edge(
                parent=named[parent],
                child=named[merge],
                kind=Kind.MERGED,
                probability=1.0,
                is_directed=True,
                weight=weight,
            )


def _is_straight(parents: Parents, child: int, matrices: Sequence[np.ndarray]) -> bool:
    """Whether a step goes on in the direction of the one before, or the one after in its own."""
    parent = parents[child]
    before = parents.get(parent, NO_PARENT)
    if before != NO_PARENT and _cosine(matrices, before, parent, child) >= STRAIGHT:
        return True
    after = [place for place, above in parents.items() if above == child]
    return any(_cosine(matrices, parent, child, place) >= STRAIGHT for place in after)


def _cosine(matrices: Sequence[np.ndarray], first: int, second: int, third: int) -> float:
    """Of the steps from the first to the second, and from the second to the third."""
    dot = sizes = others = 0.0
    for values in matrices:
        step, following = values[second] - values[first], values[third] - values[second]
        dot += float(np.vdot(step, following))
        sizes += float(np.vdot(step, step))
        others += float(np.vdot(following, following))
    return dot / max(np.sqrt(sizes * others), 1e-30)


def _with_open_nodes(
    nodes: list[Node],
    edges: list[Edge],
    parents: Parents,
    merges: dict[int, dict[int, float]],
    ancestor: np.ndarray,
    alone: np.ndarray,
    family: str,
) -> tuple[list[Node], list[Edge]]:
    """Nodes and edges with an ancestor that is not here above what has no parent, but the family's root."""
    tops = [child for child, parent in parents.items() if parent == NO_PARENT and child not in merges]
    if len(tops) < 2:
        return nodes, edges
    known = np.nan_to_num(ancestor, nan=0.0)
    size = {top: sum(1 for child in parents if _top_of(child, parents) == top) for top in tops}
    root = max(tops, key=lambda top: (float(known[top].sum()), size[top]))
    above = [top for top in tops if top != root]
    is_open_above_root = bool(alone[root] < 1) and all(known[root, top] < 0.5 for top in above)
    missing = Node(id=f"{family}/absent", family=family, is_open=True)
    below = [*above, root] if is_open_above_root else above
    found = [
        Edge(
            parent=missing.id,
            child=nodes[top].id,
            kind=Kind.BRANCHED,
            probability=float(alone[top]),
            is_directed=bool(alone[top] >= SURE),
        )
        for top in below
    ]
    return [*nodes, missing], [*edges, *found]


def _top_of(child: int, parents: Parents) -> int:
    while parents[child] != NO_PARENT:
        child = parents[child]
    return child
