"""The most probable tree of a family: a maximum spanning arborescence, so that nothing descends from itself.

An edge's score weighs the probabilities that the first is an ancestor of the second and the reverse, what third
models see of it, and how clearly it wins against the child's other possible parents. A model whose best edge scores
less than ABSENT has no parent here.
"""

import math
from collections.abc import Mapping

import networkx as nx
import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from lineage.genealogy.answers import Pair
from lineage.genealogy.evidence.contests import Contests

ANCESTOR, DESCENDANT, PASSAGE, CONTEST = 0.56, -0.28, 0.26, 0.96
"""Weights of four logarithms: of the two probabilities, of what third models see, and of the contest. Like the next,
they are a conditional logit's, fitted on grown families of seeds 0 to 2 (McFadden 1974)."""
ABSENT = -0.14
"""Score of having no parent among the models."""
REPLICATES = 40
NOISE = 1.0
"""Scale of the noise on scores."""
UNSEEN = math.log(0.5)
"""Of edges that no third model looks at."""
NO_PARENT = -1

Parents = Mapping[int, int]
"""Of each model, the place of its parent, or NO_PARENT."""


class Search:
    """Finds trees of one family.

    Args:
        count: of models; ancestor: of pairs, the probability that the first is an ancestor of the second.
        contests: of the possible edges; evidence: of some, a log probability of what third models see.
        barred: edges that cannot be.
    """

    def __init__(
        self,
        count: int,
        ancestor: Mapping[Pair, float],
        contests: Contests,
        evidence: Mapping[Pair, float],
        barred: frozenset[Pair] = frozenset(),
    ):
        self._possible = np.array([pair not in barred for pair in contests.pairs], bool)
        self._edges = [pair for pair in contests.pairs if pair not in barred]
        self._parents, self._children = np.array(self._edges, int).reshape(-1, 2).T
        believed = [
            ANCESTOR * math.log(ancestor[parent, child])
            + DESCENDANT * math.log(ancestor[child, parent])
            + PASSAGE * evidence.get((parent, child), UNSEEN)
            for parent, child in self._edges
        ]
        self._believed, self._contests, self._count = np.array(believed), contests, count

    def best(self) -> Parents:
        """The most probable tree."""
        return self._solved(self._scores(np.arange(self._contests.parts)))

    def probabilities(self) -> tuple[dict[Pair, float], np.ndarray]:
        """How often each edge is found, by parent and child, and each model without a parent: [n].

        Parts of the weights are drawn again, and scores are perturbed by Gumbel noise, whose maxima are drawn from
        the distribution that the scores describe (Papandreou & Yuille 2011, doi:10.1109/ICCV.2011.6126242).
        """
        draw = np.random.default_rng(self._count)
        edges, alone = dict.fromkeys(self._edges, 0.0), np.zeros(self._count)
        for _ in range(REPLICATES):
            scores = self._scores(draw.integers(0, self._contests.parts, self._contests.parts))
            noise, of_absent = (NOISE * draw.gumbel(size=size) for size in (len(scores), self._count))
            for child, parent in self._solved(scores + noise, ABSENT + of_absent).items():
                if parent == NO_PARENT:
                    alone[child] += 1
                else:
                    edges[parent, child] += 1
        return {edge: count / REPLICATES for edge, count in edges.items()}, alone / REPLICATES

    def _scores(self, chosen: np.ndarray) -> np.ndarray:
        """Of every edge, from some parts of the weights."""
        return self._believed + CONTEST * self._contests.evidence(chosen, self._possible)[self._possible]

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
