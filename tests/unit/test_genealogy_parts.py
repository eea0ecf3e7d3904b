"""The parts of a family tree against closed forms and searches of all possibilities."""

import itertools
import math

import networkx as nx
import numpy as np
import pytest
from contests_said import Said

from lineage.genealogy.answers import neighbours_of
from lineage.genealogy.arborescence import ABSENT, ANCESTOR, CONTEST, DESCENDANT, NO_PARENT, PASSAGE, Search
from lineage.genealogy.distances.geometry import Nearest, at_one_scale, squared_from, whitened_alike
from lineage.genealogy.evidence.passages import LEAST, Passages
from lineage.relation.direction.estimate import unmodelled

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


def nearest_by_weights(points: list[np.ndarray], each: int = 12) -> Nearest:
    return nearest_of(sum(squared_distances(matrices) for matrices in points), each)


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


def test_a_childs_line_passes_its_parent_and_not_a_sibling_as_third_models_see_it():
    points = [grown(PARENT, 3), grown(PARENT, 4)]
    nearest = nearest_by_weights(points)
    edges = [(1, 4), (4, 6), (2, 4), (2, 3)]
    known = dict.fromkeys(edges, 0.9) | {(4, 1): 0.01, (6, 4): 0.01}
    evidence = Passages(points, nearest, known, unmodelled).evidence()
    sure, never = math.log(1 - LEAST), math.log(LEAST)
    assert evidence == {edge: pytest.approx(sure if edge in ((1, 4), (4, 6)) else never) for edge in edges}


@pytest.mark.parametrize("seed", range(6))
def test_the_tree_is_the_best_of_all(seed):
    """Every choice of a parent for each of five models, those with circles left out."""
    draw = np.random.default_rng(seed)
    count = 5
    pairs = list(itertools.permutations(range(count), 2))
    ancestor = {pair: float(draw.uniform(0.01, 1)) for pair in pairs}
    passed = {pair: float(draw.uniform(-4, 0)) for pair in pairs}
    contested = draw.uniform(-2, 2, len(pairs))
    scores = {
        (parent, child): ANCESTOR * math.log(ancestor[parent, child])
        + DESCENDANT * math.log(ancestor[child, parent])
        + PASSAGE * passed[parent, child]
        + CONTEST * said
        for (parent, child), said in zip(pairs, contested, strict=True)
    }

    def total(parents: tuple[int, ...]) -> float:
        edges = [(parent, child) for child, parent in enumerate(parents) if parent != NO_PARENT]
        if any(parent == child for parent, child in edges):
            return -np.inf
        graph = nx.DiGraph(edges)
        if not nx.is_directed_acyclic_graph(graph):
            return -np.inf
        return sum(scores[edge] for edge in edges) + ABSENT * (count - len(edges))

    best = max(itertools.product(range(NO_PARENT, count), repeat=count), key=total)
    found = Search(count, ancestor, Said(pairs, contested), passed).best()
    assert found == dict(enumerate(best))


def test_every_near_pair_is_compared_once():
    apart = squared_distances(np.random.default_rng(6).normal(size=(12, 5)))
    given = neighbours_of(nearest_of(apart, 3))
    pairs = [frozenset((child, place)) for child, near in enumerate(given) for place in near]
    ranked = apart + np.diag(np.full(12, np.inf))
    wanted = {frozenset((model, int(near))) for model in range(12) for near in np.argsort(ranked[model])[:3]}
    assert len(pairs) == len(set(pairs))
    assert set(pairs) == wanted
    assert max(map(len, given)) <= 6
