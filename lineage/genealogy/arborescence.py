"""The most probable tree of a family: a maximum spanning arborescence, so that nothing descends from itself.

An edge's score is the log probability that the first is an ancestor of the second, less the log of how much farther
it is from the second than the nearest possible ancestor; less again where the child does not contain its parent's
update over the grandparent, which is looked at for the edges of each tree until no new one is refused. A model whose
best edge scores less than ABSENT has no parent here.
"""

from collections.abc import Iterable, Mapping

import networkx as nx
import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from lineage.genealogy.answers import Pair
from lineage.genealogy.contained import Contained

DISTANCE = 3.0
"""Weight of the log of a squared distance. This and the next three were chosen on families with seeds below 3."""
NEAREST = 0.1
"""Probability from which on a model counts as a possible ancestor."""
REFUSED = -4.0
"""Added to an edge whose child does not contain its parent's update."""
ABSENT = -3.0
"""Score of having no parent among the models."""
RIVAL = 2.0
"""Edges that score less than ABSENT by more than this are not looked at."""
ROUNDS = 12
REPLICATES = 40
NOISE = 0.5
"""Scale of the noise on scores. Chosen likewise."""
NO_PARENT = -1

Parents = Mapping[int, int]
"""Of each model, the place of its parent, or NO_PARENT."""


class Search:
    """Finds trees of one family.

    Args:
        ancestor: of pairs, the probability that the first is an ancestor of the second.
        parts: squared distances of these pairs by part of the weights, [parts, pairs].
        contained: tells whether a child contains its parent's update; count: of models.
        barred: edges that cannot be.
    """

    def __init__(
        self,
        count: int,
        ancestor: Mapping[Pair, float],
        parts: np.ndarray,
        contained: Contained,
        barred: frozenset[Pair] = frozenset(),
    ):
        possible = np.array([pair not in barred for pair in ancestor], bool)
        self._edges = [pair for pair in ancestor if pair not in barred]
        self._parents, self._children = np.array(self._edges, int).reshape(-1, 2).T
        self._ancestor = np.array(list(ancestor.values()))[possible]
        self._parts, self._contained, self._count = parts[:, possible], contained, count
        self._number = {edge: number for number, edge in enumerate(self._edges)}
        self._refused: dict[Pair, bool] = {}

    def best(self) -> Parents:
        """The most probable tree."""
        scores = self._scores(self._parts.sum(0))
        for _ in range(ROUNDS):
            parents = self._solved(self._with_refused(scores))
            if not self._look_at(parents, parents.items()):
                break
        return parents

    def probabilities(self, parents: Parents) -> tuple[dict[Pair, float], np.ndarray]:
        """How often each edge is found, by parent and child, and each model without a parent: [n].

        Parts of the weights are drawn again, and scores are perturbed by Gumbel noise, whose maxima are drawn from
        the distribution that the scores describe (Papandreou & Yuille 2011, doi:10.1109/ICCV.2011.6126242).
        """
        self._look_at(parents, self._rivals())
        draw = np.random.default_rng(self._count)
        edges, alone = dict.fromkeys(self._edges, 0.0), np.zeros(self._count)
        for _ in range(REPLICATES):
            chosen = draw.integers(0, len(self._parts), len(self._parts))
            scores = self._with_refused(self._scores(self._parts[chosen].sum(0)))
            noise, of_absent = (NOISE * draw.gumbel(size=size) for size in (len(scores), self._count))
            for child, parent in self._solved(scores + noise, ABSENT + of_absent).items():
                if parent == NO_PARENT:
                    alone[child] += 1
                else:
                    edges[parent, child] += 1
        return {edge: count / REPLICATES for edge, count in edges.items()}, alone / REPLICATES

    def _scores(self, distances: np.ndarray) -> np.ndarray:
        """Of every edge, from its squared distance."""
        if not len(distances):
            return distances
        nearest = np.full(self._count, np.inf)
        possible = self._ancestor >= NEAREST
        np.minimum.at(nearest, self._children[possible], distances[possible])
        nearest[np.isinf(nearest)] = np.median(distances)
        ratios = np.maximum(distances, 1e-30) / np.maximum(nearest[self._children], 1e-30)
        return np.log(self._ancestor) - DISTANCE * np.maximum(np.log(ratios), -0.5)

    def _with_refused(self, scores: np.ndarray) -> np.ndarray:
        found = scores.copy()
        for edge, is_refused in self._refused.items():
            found[self._number[edge]] += REFUSED * is_refused
        return found

    def _rivals(self) -> list[Pair]:
        """Every child and possible parent that noise may join."""
        likely = np.flatnonzero(self._scores(self._parts.sum(0)) >= ABSENT - RIVAL)
        return [(int(self._children[number]), int(self._parents[number])) for number in likely]

    def _look_at(self, parents: Parents, edges: Iterable[Pair]) -> bool:
        """Whether an edge, as child and parent, is refused beside a tree that was not looked at before."""
        is_new = False
        for child, parent in edges:
            grandparent = parents.get(parent, NO_PARENT)
            if grandparent not in (NO_PARENT, child) and (parent, child) not in self._refused:
                self._refused[parent, child] = not self._contained.is_once(grandparent, parent, child)
                is_new |= self._refused[parent, child]
        return is_new

    def _solved(self, scores: np.ndarray, absent: float | np.ndarray = ABSENT) -> Parents:
        """The best tree of some scores.

        Circles can only be among models that reach each other along edges that are better than no parent. So
        each such group is an arborescence of its own; outside of it every model takes its best edge.
        """
        best = np.broadcast_to(np.asarray(absent, float), self._count).copy()
        chosen = np.full(self._count, NO_PARENT)
        better = np.flatnonzero(scores > best[self._children])
        ends = self._parents[better], self._children[better]
        graph = coo_array((np.ones(len(better)), ends), shape=(self._count, self._count))
        _, group = connected_components(graph.tocsr(), directed=True, connection="strong")
        inside: dict[int, list[int]] = {}
        for edge in better[np.argsort(scores[better], kind="stable")]:
            parent, child = self._edges[edge]
            if group[parent] == group[child]:
                inside.setdefault(int(group[child]), []).append(int(edge))
            else:
                best[child], chosen[child] = scores[edge], parent
        for edges in inside.values():
            tree = nx.DiGraph()
            for edge in edges:
                parent, child = self._edges[edge]
                tree.add_edge(NO_PARENT, child, weight=float(best[child]))
                tree.add_edge(NO_PARENT, parent, weight=float(best[parent]))
                tree.add_edge(parent, child, weight=float(scores[edge]))
            for parent, child in nx.maximum_spanning_arborescence(tree).edges:
                chosen[child] = parent if parent != NO_PARENT else chosen[child]
        return {child: int(parent) for child, parent in enumerate(chosen)}
