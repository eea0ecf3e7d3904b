"""Where third relatives leave the path of a pair, on trees whose every edge is a direction of its own."""

import itertools

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lineage.relation.direction.thirds import AT_CHILD, family


@st.composite
def trees(draw):
    count = draw(st.integers(4, 10))
    tree = nx.Graph()
    for node in range(1, count):
        tree.add_edge(draw(st.integers(0, node - 1)), node, squared=draw(st.integers(1, 9)))
    return tree


@given(trees())
def test_shares_are_squared_lengths_on_the_path(tree):
    """networkx walks the tree: X leaves the path from A to the child at the node that all three paths share."""
    edges = {frozenset(edge): number for number, edge in enumerate(tree.edges)}
    points = np.zeros((len(tree), len(edges)))
    for node in tree:
        path = nx.shortest_path(tree, 0, node)
        for edge in itertools.pairwise(path):
            points[node, edges[frozenset(edge)]] = tree.edges[edge]["squared"] ** 0.5
    child, *relatives = range(len(tree))
    found = family([(points[child] + 1e-9, points[relatives])])
    length = dict(nx.all_pairs_dijkstra_path_length(tree, weight="squared"))
    for place, candidate in enumerate(relatives):
        expected = [
            (length[candidate][child] + length[candidate][other] - length[other][child])
            / 2
            / length[candidate][child]
            for other in relatives
            if other != candidate
        ]
        assert found.shares(place) == pytest.approx(expected, abs=1e-6)


@given(trees())
def test_quantiles_of_shares_swap_with_the_pair(tree):
    points = np.random.default_rng(len(tree)).normal(size=(len(tree), 7))
    child, *relatives = range(len(tree))
    first = relatives[0]
    forth = family([(points[child], points[relatives])]).features(0)
    back = family([(points[first], points[[child, *relatives[1:]]])]).features(0)
    for name, value in forth.items():
        stem, _, end = name.rpartition(".")
        if end == "candidate":
            assert back[f"{stem}.child"] == pytest.approx(value)


def test_a_relative_alone_has_no_third():
    alone = family([(np.ones(4), np.zeros((1, 4)))])
    assert alone.farthest(0) is None
    assert np.isnan(alone.features(0)["third_middle.candidate"])


@given(trees(), st.data())
def test_copies_are_one_third_relative_and_none_of_their_source(tree, data):
    """Whatever a family is, what is given twice changes nothing, and beside the child it is no relative."""
    draw = np.random.default_rng(len(tree))
    child, *points = draw.normal(size=(len(tree), 7))
    source = data.draw(st.integers(0, len(points) - 1))
    once = family([(child, np.stack(points))])
    places = [*range(len(points)), source, AT_CHILD]
    twice = family([(child, np.stack([*points, points[source] + 0.1, child + 0.1]))], places)
    for candidate in range(len(points)):
        assert twice.features(candidate) == pytest.approx(once.features(candidate), nan_ok=True)
    assert list(twice.others(len(points))) == [number for number in range(len(points)) if number != source]


@given(st.floats(0.01, 2), st.floats(0.02, 0.5), st.booleans())
def test_what_stands_at_an_end_of_the_path_is_not_told_apart(length, resolution, is_at_child):
    """A third relative at a right angle from one end, just within or just beyond the resolution."""
    for share, is_beyond in ((0.9 * resolution, False), (1.1 * resolution, True)):
        candidate = np.array([length, 0.0])
        third = np.array([0.0 if is_at_child else length, share * length])
        found = family([(np.zeros(2) + 1e-9, np.stack([candidate, third]))])
        assert found.is_told_apart(1, 0, resolution**2) == is_beyond
