"""A family's tree from its models: distances, pairwise answers, merges, the most probable arborescence."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import networkx as nx
import numpy as np

from lineage.auditing.stages.thirds.passing import Direction
from lineage.genealogy.answers import Pair
from lineage.genealogy.arborescence import NO_PARENT, WEIGHTS, Parents, Search
from lineage.genealogy.known import known_of
from lineage.genealogy.merges.types import Mixing
from lineage.genealogy.reading import Model
from lineage.genealogy.turns import Steps
from lineage.genealogy.types import Edge, Kind, Merge, Node
from lineage.index.digest import DigestCache
from lineage.progress import Tracked, untracked

SURE = 0.8
"""Probability from which on an edge is given a direction; `make tree-weights` prints how many then have a wrong
parent in random trees that the weights were not fitted on."""
OF_COPIES = 20.0
"""Added to the score of an edge from what a model is a copy of: more than other evidence takes from one edge."""
MANY = 24
"""Of a family of so many models and more it is said how far the work is."""
LEAST_RIVAL = 0.02
"""Probability from which on another possible parent is named."""


def family_tree(
    models: Sequence[Model],
    family: str,
    cache: DigestCache,
    direction: Direction,
    *,
    follow: bool,
    tracked: Tracked = untracked,
) -> tuple[list[Node], list[Edge], list[Merge]]:
    """The nodes, edges and merges of one family.

    Args:
        models: related to each other; family: its id; cache: of digests.
        direction: estimates a share from features; follow: links out of the folders.
        tracked: says how far it is in a family of so many that this takes long.
    """
    nodes = [node_of(model, family) for model in models]
    told = tracked if len(models) >= MANY else untracked
    known = known_of(models, cache, direction, follow=follow, tracked=told) if len(models) > 1 else None
    if known is None:
        return nodes, [], []
    answers, merges = known.answers, known.merges
    barred = barred_by(merges, len(models)) | answers.beside_sources()
    while True:
        edges, evidence = known.edges(barred)
        is_copied = [edge in answers.copied for edge in edges]
        search = Search(len(models), edges, evidence @ WEIGHTS + OF_COPIES * np.array(is_copied))
        parents = search.best()
        if not (wrong := below_themselves(parents, merges)):
            break
        barred |= wrong
    probability, alone = search.probabilities()
    steps = Steps(parents, known.matrices)
    named = [node.id for node in nodes]
    drawn = [
        *trained_edges(named, parents, probability, steps, answers.change),
        *merged_edges(named, parents, merges),
    ]
    nodes, drawn = _with_open_nodes(nodes, drawn, parents, merges, answers.ancestor, alone, family)
    of_edges = {edge.child for edge in drawn if edge.kind is Kind.MERGED}
    described = [
        merge_of(named, child, mixing) for child, mixing in merges.items() if named[child] in of_edges
    ]
    return nodes, drawn, described


def merge_of(named: Sequence[str], child: int, mixing: Mixing) -> Merge:
    """How a model was merged, by ids."""
    return Merge(
        child=named[child],
        recipe=mixing.recipe,
        error=mixing.error,
        weights={named[place]: weight for place, weight in mixing.weights.items()},
        base=None if mixing.base is None else named[mixing.base],
        left_out=mixing.left_out,
        layers={name: (named[place], there) for name, (place, there) in mixing.layers.items()},
    )


def node_of(model: Model, family: str) -> Node:
    """A model as a node."""
    return Node(
        id=model.id,
        family=family,
        file=model.source.path,
        hash=model.content,
        copies=list(model.copies),
        unread=model.unread,
    )


def barred_by(merges: Mapping[int, Mixing], count: int) -> frozenset[Pair]:
    """Edges that merges forbid: a merge was trained from nothing, and its parents do not descend from it."""
    into = {(place, merge) for merge in merges for place in range(count)}
    back = {(merge, parent) for merge, mixing in merges.items() for parent in mixing.weights}
    return frozenset(into | back)


def below_themselves(parents: Parents, merges: Mapping[int, Mixing]) -> frozenset[Pair]:
    """Edges from a merge that one of its own parents descends along."""
    found = set()
    for merge, mixing in merges.items():
        for place in mixing.weights:
            while (above := parents[place]) not in (NO_PARENT, merge):
                place = above
            if above == merge:
                found.add((merge, place))
    return frozenset(found)


def trained_edges(
    named: Sequence[str],
    parents: Parents,
    probability: Mapping[Pair, float],
    steps: Steps,
    change: Mapping[Pair, float],
) -> Iterator[Edge]:
    """An edge for each model with a parent; undirected where its direction or the parent itself is not sure."""
    found = found_parents(probability)
    for child, parent in parents.items():
        if parent == NO_PARENT:
            continue
        forth, back = probability.get((parent, child), 0.0), probability.get((child, parent), 0.0)
        is_directed = bool(forth >= SURE)
        moved = change.get((parent, child), math.nan)
        yield Edge(
            parent=named[parent],
            child=named[child],
            kind=Kind.LINE if steps.is_straight(child) else Kind.TRAINED,
            probability=float(forth if is_directed else min(1.0, forth + back)),
            is_directed=is_directed,
            change=float(moved) if math.isfinite(moved) else None,
            rivals={named[place]: rate for place, rate in found.get(child, {}).items() if place != parent},
        )


def found_parents(probability: Mapping[Pair, float]) -> dict[int, dict[int, float]]:
    """Of each model the parents that were found for it, the most probable first, and how probable each is."""
    found: dict[int, dict[int, float]] = {}
    for (parent, child), rate in sorted(probability.items(), key=lambda item: (-item[1], item[0])):
        if rate >= LEAST_RIVAL:
            found.setdefault(child, {})[parent] = float(rate)
    return found


def merged_edges(named: Sequence[str], parents: Parents, merges: Mapping[int, Mixing]) -> Iterator[Edge]:
    """An edge from each parent of a merge; none for a merge whose parents would descend from it."""
    graph = nx.DiGraph((parent, child) for child, parent in parents.items() if parent != NO_PARENT)
    for merge, mixing in merges.items():
        if any(graph.has_node(merge) and parent in nx.descendants(graph, merge) for parent in mixing.weights):
            continue
        graph.add_edges_from((parent, merge) for parent in mixing.weights)
        for parent, weight in mixing.weights.items():
            yield Edge(
                parent=named[parent],
                child=named[merge],
                kind=Kind.MERGED,
                probability=1.0,
                is_directed=True,
                weight=weight,
            )


def _with_open_nodes(
    nodes: list[Node],
    edges: list[Edge],
    parents: Parents,
    merges: Mapping[int, Mixing],
    ancestor: Mapping[Pair, float],
    alone: np.ndarray,
    family: str,
) -> tuple[list[Node], list[Edge]]:
    """Nodes and edges with an ancestor that is not here above what has no parent, but the family's root."""
    tops = [child for child, parent in parents.items() if parent == NO_PARENT and child not in merges]
    if len(tops) < 2:
        return nodes, edges
    below_of = Counter(tops_of(parents).values())
    believed = Counter(dict.fromkeys(tops, 0.0))
    for (first, _), probability in ancestor.items():
        believed[first] += probability
    root = max(tops, key=lambda top: (believed[top], below_of[top]))
    above = [top for top in tops if top != root]
    is_open_above_root = all(ancestor.get((root, top), 0) < 0.5 for top in above)
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


def tops_of(parents: Parents) -> dict[int, int]:
    """The first ancestor of each model that has no parent itself."""
    found: dict[int, int] = {}
    for model in parents:
        way = []
        place = model
        while place not in found and parents[place] != NO_PARENT:
            way.append(place)
            place = parents[place]
        top = found.get(place, place)
        found |= dict.fromkeys([place, *way], top)
    return found
