"""Families of thousands of models: nothing recurses, no list of all pairs is held, and small trees stay the same."""

import itertools
import tracemalloc

import networkx as nx
import numpy as np
import pytest
from rich.console import Console

from lineage.genealogy.arborescence import ABSENT, NO_PARENT, Search
from lineage.genealogy.build import tops_of
from lineage.genealogy.distances.geometry import Distances
from lineage.genealogy.distances.points import MOST_NUMBERS, extent
from lineage.genealogy.families import Groups, possible_pairs
from lineage.genealogy.terminal import SHOWN, Families, print_tree
from lineage.genealogy.types import Edge, Kind, Node, Tree

LONG = 1000


def vectors_of(families: list[int], seed: int, noise: float = 0.8) -> tuple[np.ndarray, list[int]]:
    """Unit vectors of models in families of these sizes, shuffled, and each one's family."""
    draw = np.random.default_rng(seed)
    of_family = draw.permutation(np.repeat(np.arange(len(families)), families))
    centres = draw.normal(size=(len(families), 1024))
    found = centres[of_family] + noise * draw.normal(size=(len(of_family), 1024))
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32), list(of_family)


def grouped(vectors: np.ndarray, family: list[int]) -> tuple[Groups, int]:
    """Families, where tests always say the truth; and how many tests that took."""
    groups, tests = Groups(len(vectors)), 0
    while pairs := list(possible_pairs(vectors, groups)):
        for first, second in pairs:
            if groups.may_join(first, second):
                groups.learn(first, second, is_related=family[first] == family[second])
                tests += 1
    return groups, tests


@pytest.mark.parametrize("seed", range(3))
def test_families_are_found_with_about_a_test_for_each_model(seed):
    vectors, family = vectors_of([300, 200, 50, 7, *[1] * 40], seed)
    groups, tests = grouped(vectors, family)
    wanted = {}
    for place, number in enumerate(family):
        wanted.setdefault(number, []).append(place)
    assert sorted(groups.members()) == sorted(wanted.values())
    assert tests < 1.5 * len(vectors)


def test_families_that_only_look_alike_cost_few_tests_more():
    vectors, _ = vectors_of([200], 1)
    groups, tests = grouped(vectors, [0, 1] * 100)
    assert len(groups.members()) == 2
    assert tests < 3 * len(vectors)


def test_possible_pairs_take_memory_of_the_models_and_not_of_their_pairs():
    vectors, _ = vectors_of([2000], 2)
    groups = Groups(len(vectors))
    tracemalloc.start()
    pairs = list(possible_pairs(vectors, groups))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(pairs) <= 8 * len(vectors)
    assert peak < 40e6 < 16 * len(vectors) ** 2


def test_what_is_held_of_a_family_does_not_grow_with_it():
    for models, matrices in itertools.product((2, 30, 300, 3000, 30_000), (1, 4, 12)):
        side, most = extent(models, matrices)
        assert side >= 32
        assert models * side**2 * min(most, matrices) <= max(MOST_NUMBERS, models * 32**2)
    assert extent(25, 12) == (256, MOST_NUMBERS // (25 * 2**16))


def test_nearest_and_distances_are_those_of_all_pairs():
    draw = np.random.default_rng(3)
    points = [draw.normal(size=(300, 16, 20)).astype(np.float32) for _ in range(2)]
    distances = Distances(points)
    nearest, apart = distances.nearest(5), distances.among(range(300))
    some = [3, 200, 7]
    np.testing.assert_allclose(distances.among(some), apart[np.ix_(some, some)], atol=1e-6)
    apart += np.diag(np.full(300, np.inf))
    np.testing.assert_array_equal(nearest.places, np.argsort(apart, axis=1)[:, :5])
    np.testing.assert_allclose(nearest.squared, np.sort(apart, axis=1)[:, :5], rtol=1e-6)


def test_a_training_line_of_a_thousand_epochs_is_a_line():
    scores = {}
    for first in range(LONG):
        for second in range(first + 1, min(first + 5, LONG)):
            scores[first, second], scores[second, first] = 4.0 if second == first + 1 else 0.0, -4.0
    search = Search(LONG, list(scores), np.array(list(scores.values())))
    parents, (probability, alone) = search.best(), search.probabilities()
    assert parents == {0: NO_PARENT} | {epoch: epoch - 1 for epoch in range(1, LONG)}
    assert set(tops_of(parents).values()) == {0}
    assert alone[0] > 0.9
    assert min(probability[epoch - 1, epoch] for epoch in range(1, LONG)) > 0.9
    into = np.bincount([child for _, child in probability], list(probability.values()))
    np.testing.assert_allclose(into + alone, 1.0, atol=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_trees_are_as_good_as_networkx_finds_them_with_all_edges(seed):
    draw, count = np.random.default_rng(seed), 60
    pairs = {
        (int(first), int(second)) for first, second in draw.integers(0, count, (600, 2)) if first != second
    }
    pairs = sorted(pairs | {(second, first) for first, second in pairs})
    scores = draw.normal(-2, 2, len(pairs))
    found = Search(count, pairs, scores).best()
    graph = nx.DiGraph()
    graph.add_weighted_edges_from((NO_PARENT, child, ABSENT) for child in range(count))
    graph.add_weighted_edges_from((*pair, score) for pair, score in zip(pairs, scores, strict=True))
    best = nx.maximum_spanning_arborescence(graph)
    total = sum(graph.edges[parent, child]["weight"] for child, parent in found.items())
    assert nx.is_arborescence(nx.DiGraph((parent, child) for child, parent in found.items()))
    assert total == pytest.approx(sum(graph.edges[edge]["weight"] for edge in best.edges))


def line(count: int) -> Tree:
    nodes = [Node(id=f"epoch-{number}", family="f") for number in range(count)]
    edges = [
        Edge(parent=before.id, child=after.id, kind=Kind.LINE, probability=1.0, is_directed=True)
        for before, after in itertools.pairwise(nodes)
    ]
    return Tree(given="", families={"f": [node.id for node in nodes]}, nodes=nodes, edges=edges)


def test_the_terminal_shows_so_many_models_of_a_long_line_and_says_how_many_more_there_are(capsys):
    print_tree(line(LONG))
    shown = capsys.readouterr().out
    assert shown.count("epoch-") == SHOWN
    assert f"and {LONG - SHOWN} more models: see --json" in shown


def test_a_training_line_goes_down_the_page_and_not_to_the_right(capsys):
    print_tree(line(60))
    assert max(map(len, capsys.readouterr().out.splitlines())) < 100


def test_the_terminal_shows_all_of_a_small_family():
    console = Console(width=10_000)
    with console.capture() as capture:
        console.print(Families(line(30)).drawn("f"))
    assert capture.get().count("epoch-") == 30
    assert "more models" not in capture.get()


def test_families_that_are_not_shown_are_counted(capsys):
    small = [line(2) for _ in range(70)]
    nodes = [
        Node(id=f"{number}-{node.id}", family=str(number))
        for number, tree in enumerate(small)
        for node in tree.nodes
    ]
    families = {
        str(number): [node.id for node in nodes if node.family == str(number)] for number in range(70)
    }
    print_tree(Tree(given="", families=families, nodes=nodes, edges=[]))
    assert "and 20 more families: see --json" in capsys.readouterr().out
