"""The parts of a family tree against closed forms and searches of all possibilities."""

import itertools
import math

import networkx as nx
import numpy as np
import pytest

from lineage.genealogy.answers import neighbours_of
from lineage.genealogy.arborescence import ABSENT, NO_PARENT, Search
from lineage.genealogy.distances.geometry import (
    Distances,
    Nearest,
    at_one_scale,
    squared_from,
    whitened_alike,
)
from lineage.genealogy.evidence.fits import MOST_DETOUR, detours, fits_of

PARENT = {1: 0, 2: 0, 3: 0, 4: 1, 5: 1, 6: 4}
SIZE = 64


def grown(parents: dict[int, int], seed: int, *, shared: float = 0.0) -> np.ndarray:
    """Matrices [n, SIZE, SIZE]: a parent's plus an own change, and one direction that all changes share."""
    draw = np.random.default_rng(seed)
    found = {0: draw.normal(size=(SIZE, SIZE))}
    direction = np.outer(draw.normal(size=SIZE), draw.normal(size=SIZE))
    for child, parent in parents.items():
        found[child] = found[parent] + 0.3 * draw.normal(size=(SIZE, SIZE)) + shared * direction
    return np.stack([found[place] for place in sorted(found)])


def squared_distances(values: np.ndarray) -> np.ndarray:
    values = values.reshape(len(values), -1)
    return squared_from(values, np.arange(len(values)))


def nearest_of(apart: np.ndarray, each: int) -> Nearest:
    ranked = apart + np.diag(np.full(len(apart), np.inf))
    places = np.argsort(ranked, axis=1, kind="stable")[:, : min(each, len(apart) - 1)]
    return Nearest(places, np.take_along_axis(ranked, places, axis=1))


def tree_of(distances: np.ndarray) -> set[frozenset[int]]:
    return {frozenset(edge) for edge in nx.minimum_spanning_tree(nx.from_numpy_array(distances)).edges}


def test_squared_distances_are_those_of_all_pairs():
    values = np.random.default_rng(0).normal(size=(5, 3, 7))
    slow = [[((first - second) ** 2).sum() for second in values] for first in values]
    np.testing.assert_allclose(squared_distances(values), slow, atol=1e-9)


def test_what_all_children_learned_alike_no_longer_makes_them_neighbours():
    matrices = grown(dict.fromkeys(range(1, 7), 0), 1, shared=0.5)
    truth = {frozenset((0, child)) for child in range(1, 7)}
    assert tree_of(squared_distances(matrices)) != truth
    assert tree_of(squared_distances(whitened_alike(matrices))) == truth


def test_a_child_whose_weights_decayed_comes_back_to_its_parent():
    matrices = grown(PARENT, 2)
    decayed = matrices.copy()
    decayed[6] *= 0.7
    apart = squared_distances(at_one_scale(decayed))
    assert np.argsort(apart[6])[1] == 4
    np.testing.assert_allclose(apart[6, 4] / squared_distances(matrices)[6, 4], 1, atol=0.3)


def every_pair(count: int, probability: float = 0.5) -> dict[tuple[int, int], float]:
    return dict.fromkeys(itertools.permutations(range(count), 2), probability)


def test_edges_of_the_tree_have_long_detours_and_share_nothing_with_what_is_above():
    known = every_pair(len(PARENT) + 1, 0.0) | {(parent, child): 1.0 for child, parent in PARENT.items()}
    fits = fits_of(Distances([grown(PARENT, 3), grown(PARENT, 4)]), known)
    for (parent, child), fit in fits.items():
        is_edge = PARENT.get(child) == parent or PARENT.get(parent) == child
        assert (fit.detour > 0.3) == is_edge
        if PARENT.get(child) == parent:
            assert fit.below_above < 0.1
            assert fit.beside < 0.1
    between_its_parent_and_grandparent = fits[4, 1]
    assert between_its_parent_and_grandparent.below_above == 0.0
    assert fits[6, 1].below_above > 0.9


@pytest.mark.parametrize("seed", range(4))
def test_a_detour_is_the_least_longest_step_of_all_ways_round(seed):
    draw = np.random.default_rng(seed)
    graph = nx.gnm_random_graph(7, 12, seed=seed)
    for edge in graph.edges:
        graph.edges[edge]["weight"] = float(draw.uniform(1, 2))
    found = detours(graph, nx.minimum_spanning_tree(graph))
    assert set(found) == {(min(edge), max(edge)) for edge in graph.edges}
    for (first, second), detour in found.items():
        others = graph.copy()
        others.remove_edge(first, second)
        ways = nx.all_simple_edge_paths(others, first, second)
        longest = min((max(graph.edges[step]["weight"] for step in way) for way in ways), default=math.inf)
        wanted = math.log(longest / graph.edges[first, second]["weight"])
        assert detour == pytest.approx(min(wanted, MOST_DETOUR))


def all_forests(count: int, scores: dict[tuple[int, int], float]) -> dict[tuple[int, ...], float]:
    """Every choice of a parent for each model without circles, and the sum of its scores."""
    found = {}
    for parents in itertools.product(range(NO_PARENT, count), repeat=count):
        edges = [(parent, child) for child, parent in enumerate(parents) if parent != NO_PARENT]
        if all(edge in scores for edge in edges) and nx.is_directed_acyclic_graph(nx.DiGraph(edges)):
            found[parents] = sum(scores[edge] for edge in edges) + ABSENT * (count - len(edges))
    return found


@pytest.mark.parametrize("seed", range(6))
def test_the_tree_is_the_best_of_all(seed):
    scores = dict(zip(every_pair(5), np.random.default_rng(seed).normal(-2, 3, 20).tolist(), strict=True))
    forests = all_forests(5, scores)
    found = Search(5, list(scores), np.array(list(scores.values()))).best()
    assert found == dict(enumerate(max(forests, key=lambda parents: forests[parents])))


@pytest.mark.parametrize("seed", range(6))
def test_an_edge_is_as_probable_as_the_trees_that_have_it(seed):
    draw = np.random.default_rng(seed)
    pairs = [pair for pair in every_pair(5) if draw.random() < 0.7]
    scores = dict(zip(pairs, draw.normal(-2, 3, len(pairs)).tolist(), strict=True))
    forests = all_forests(5, scores)
    total = sum(math.exp(score) for score in forests.values())
    edges, alone = Search(5, pairs, np.array(list(scores.values()))).probabilities()

    def share(parent: int, child: int) -> float:
        return sum(math.exp(score) for parents, score in forests.items() if parents[child] == parent) / total

    assert edges == {pair: pytest.approx(share(*pair)) for pair in pairs}
    np.testing.assert_allclose(alone, [share(NO_PARENT, child) for child in range(5)])


def test_every_near_pair_is_compared_once():
    apart = squared_distances(np.random.default_rng(6).normal(size=(12, 5)))
    given = neighbours_of(nearest_of(apart, 3))
    pairs = [frozenset((child, place)) for child, near in enumerate(given) for place in near]
    ranked = apart + np.diag(np.full(12, np.inf))
    wanted = {frozenset((model, int(near))) for model in range(12) for near in np.argsort(ranked[model])[:3]}
    assert len(pairs) == len(set(pairs))
    assert set(pairs) == wanted
    assert max(map(len, given)) <= 6
