"""The most probable tree of a family: a maximum spanning arborescence, so that nothing descends from itself.

An edge's score weighs the probabilities that the first is an ancestor of the second and the reverse, how clearly it
wins against the child's other possible parents, and how well it fits the distances. Scores are logarithms of odds: a
tree is as probable as the exponential of the sum of its edges' scores, each model without a parent counting ABSENT.
So an edge is the more probable the less the rest of the tree can do without it.
"""

from collections.abc import Mapping, Sequence

import networkx as nx
import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import splu

from lineage.genealogy.answers import Pair

ANCESTOR, DESCENDANT, CONTEST = 1.51, 0.79, 0.80
"""Weights of three logarithms: of the two probabilities, and of the contest. Like the next, `make tree-weights`
fitted them, on random trees without dropout and with one rate for all layers, and on families of seed 0; those that
it fits on the present trees find no more edges of trees of another seed."""
DETOUR, BESIDE, BELOW_ABOVE = 2.03, -1.74, -5.25
"""Weights of what distances say."""
ABSENT = -6.49
"""Score of having no parent among the models."""
WEIGHTS = (ANCESTOR, DESCENDANT, CONTEST, DETOUR, BESIDE, BELOW_ABOVE)
LEAST_SCORE = -25.0
"""Of an edge or of no parent, relative to the model's best."""
NO_PARENT = -1
AT_ONCE = 256
"""Models whose rows of an inverse are held."""

Parents = Mapping[int, int]
"""Of each model, the place of its parent, or NO_PARENT."""


class Search:
    """Finds trees of one family.

    Args:
        count: of models; edges: that are possible; scores: of these, logarithms of odds.
        absent: the score of having no parent.
    """

    def __init__(self, count: int, edges: Sequence[Pair], scores: np.ndarray, absent: float = ABSENT):
        self._count, self._edges, self._scores, self._absent = count, edges, scores, absent
        self._parents, self._children = np.array(edges, int).reshape(-1, 2).T

    def best(self) -> Parents:
        """The most probable tree."""
        return self._solved(self._scores)

    def probabilities(self) -> tuple[dict[Pair, float], np.ndarray]:
        """How probable each edge is, by parent and child, and each model without a parent: [n].

        The sum over all trees is a determinant, and an edge's share of it an entry of the inverse (Tutte 1948; Koo,
        Globerson, Carreras & Collins 2007, https://aclanthology.org/D07-1015).
        """
        most = np.full(self._count, self._absent)
        np.maximum.at(most, self._children, self._scores)
        weights = np.exp(np.maximum(self._scores - most[self._children], LEAST_SCORE))
        alone = np.exp(np.maximum(self._absent - most, LEAST_SCORE))
        into = alone + np.bincount(self._children, weights, minlength=self._count)
        models = np.arange(self._count)
        laplacian = coo_array(
            (
                np.concatenate([into, -weights]),
                (np.concatenate([models, self._parents]), np.concatenate([models, self._children])),
            ),
            shape=(self._count, self._count),
        )
        factors = splu(laplacian.tocsc())
        edges, without = np.zeros(len(self._edges)), np.zeros(self._count)
        for start in range(0, self._count, AT_ONCE):
            rows = models[start : start + AT_ONCE]
            of_rows = np.zeros((self._count, len(rows)))
            of_rows[rows, np.arange(len(rows))] = 1.0
            inverse = factors.solve(of_rows, trans="T")
            own = inverse[rows, np.arange(len(rows))]
            without[rows] = alone[rows] * own
            here = np.flatnonzero((self._children >= start) & (self._children < start + len(rows)))
            place = self._children[here] - start
            edges[here] = weights[here] * (own[place] - inverse[self._parents[here], place])
        return (
            dict(zip(self._edges, np.clip(edges, 0.0, 1.0).tolist(), strict=True)),
            np.clip(without, 0.0, 1.0),
        )

    def _solved(self, scores: np.ndarray) -> Parents:
        """The best tree of some scores.

        Circles can only be among models that reach each other along edges that are better than no parent. So
        each such group is an arborescence of its own; outside of it every model takes its best edge.
        """
        best = np.full(self._count, self._absent)
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
