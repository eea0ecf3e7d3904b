"""The most probable tree of a family: a maximum spanning arborescence, so that nothing descends from itself.

An edge's score is the log probability that the first is an ancestor of the second, less the log of how much farther
it is from the second than the nearest possible ancestor; less again where the child does not contain its parent's
update over the grandparent, which is looked at for the edges of each tree until no new one is refused. A model whose
best edge scores less than ABSENT has no parent here.
"""

from collections.abc import Iterable, Mapping, Sequence

import networkx as nx
import numpy as np

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
        ancestor: [n, n], probability that the first is an ancestor of the second, NaN where they were not compared.
        parts: squared distances by part of the weights, [parts, n, n].
        contained: tells whether a child contains its parent's update.
        barred: edges that cannot be.
    """

    def __init__(
        self,
        ancestor: np.ndarray,
        parts: np.ndarray,
        contained: Contained,
        barred: frozenset[tuple[int, int]] = frozenset(),
    ):
        self._ancestor, self._parts, self._contained = ancestor.copy(), parts, contained
        for edge in barred:
            self._ancestor[edge] = np.nan
        known = np.argwhere(np.isfinite(self._ancestor))
        self._edges = [(int(parent), int(child)) for parent, child in known]
        self._refused: dict[tuple[int, int], bool] = {}

    def best(self) -> Parents:
        """The most probable tree."""
        scores = self._scores(self._parts.sum(0))
        for _ in range(ROUNDS):
            parents = self._solved(self._with_refused(scores))
            if not self._look_at(parents, parents.items()):
                break
        return parents

    def probabilities(self, parents: Parents) -> tuple[np.ndarray, np.ndarray]:
        """How often each edge is found, and each model without a parent: [n, n] and [n].

        Parts of the weights are drawn again, and scores are perturbed by Gumbel noise, whose maxima are drawn from
        the distribution that the scores describe (Papandreou & Yuille 2011, doi:10.1109/ICCV.2011.6126242).
        """
        self._look_at(parents, self._rivals())
        draw = np.random.default_rng(len(self._ancestor))
        absent = np.full(len(parents), ABSENT)
        edges, alone = np.zeros_like(self._parts[0]), np.zeros(len(parents))
        for _ in range(REPLICATES):
            chosen = draw.integers(0, len(self._parts), len(self._parts))
            scores = self._with_refused(self._scores(self._parts[chosen].sum(0)))
            noise, of_absent = (NOISE * draw.gumbel(size=values.shape) for values in (scores, absent))
            found = self._solved(scores + noise, absent + of_absent)
            for child, parent in found.items():
                if parent == NO_PARENT:
                    alone[child] += 1 / REPLICATES
                else:
                    edges[parent, child] += 1 / REPLICATES
        return edges, alone

    def _scores(self, distances: np.ndarray) -> np.ndarray:
        with np.errstate(invalid="ignore", divide="ignore"):
            possible = np.where(self._ancestor >= NEAREST, distances, np.inf)
            nearest = np.where(np.isfinite(possible.min(0)), possible.min(0), np.median(distances))
            farther = np.log(np.maximum(distances, 1e-30) / np.maximum(nearest, 1e-30))
            return np.log(self._ancestor) - DISTANCE * np.maximum(farther, -0.5)

    def _with_refused(self, scores: np.ndarray) -> np.ndarray:
        found = scores.copy()
        for edge, is_refused in self._refused.items():
            found[edge] += REFUSED * is_refused
        return found

    def _rivals(self) -> list[tuple[int, int]]:
        """Every child and possible parent that noise may join."""
        scores = self._scores(self._parts.sum(0))
        least = ABSENT - RIVAL
        return [(child, parent) for parent, child in self._edges if scores[parent, child] >= least]

    def _look_at(self, parents: Parents, edges: Iterable[tuple[int, int]]) -> bool:
        """Whether an edge, as child and parent, is refused beside a tree that was not looked at before."""
        is_new = False
        for child, parent in edges:
            grandparent = parents.get(parent, NO_PARENT)
            if grandparent not in (NO_PARENT, child) and (parent, child) not in self._refused:
                self._refused[parent, child] = not self._contained.is_once(grandparent, parent, child)
                is_new |= self._refused[parent, child]
        return is_new

    def _solved(self, scores: np.ndarray, absent: float | Sequence[float] = ABSENT) -> Parents:
        count = len(scores)
        of_absent = np.broadcast_to(absent, count)
        graph = nx.DiGraph()
        graph.add_weighted_edges_from((NO_PARENT, child, float(of_absent[child])) for child in range(count))
        graph.add_weighted_edges_from(
            (parent, child, float(scores[parent, child])) for parent, child in self._edges
        )
        tree = nx.maximum_spanning_arborescence(graph)
        return {child: parent for parent, child in sorted(tree.edges, key=lambda edge: edge[1])}
