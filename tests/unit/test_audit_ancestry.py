"""The nearest ancestor, on random trees whose every edge is a direction of its own."""

from types import SimpleNamespace

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lineage.auditing.ancestry import nearest_ancestor
from lineage.relation.updates import Ancestor


@st.composite
def families(draw):
    """A tree of weights, the child, and a candidate that came first but is no descendant of the child."""
    count = draw(st.integers(3, 12))
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    tree, weights = nx.DiGraph(), {0: np.zeros(count)}
    for node in range(1, count):
        parent = draw(st.integers(0, node - 1))
        tree.add_edge(parent, node)
        weights[node] = weights[parent] + generator.uniform(0.1, 1) * np.eye(count)[node]
    child = draw(st.integers(1, count - 1))
    first = draw(st.sampled_from(sorted(set(tree) - {child} - nx.descendants(tree, child))))
    return tree, weights, child, first


@given(families())
def test_the_parent_is_found_from_any_relative_that_came_first(family):
    tree, weights, child, first = family
    candidates = {
        node: SimpleNamespace(
            id=node,
            tests=["a matrix"],
            comparison=SimpleNamespace(
                distance=np.linalg.norm(weights[child] - weights[node]),
                direction=SimpleNamespace(reading="candidate first" if node == first else "unclear"),
            ),
        )
        for node in tree
        if node != child
    }

    def way_from(ancestor):
        def way(one):
            news, of_child = weights[one.id] - weights[ancestor.id], weights[child] - weights[ancestor.id]
            shared = news @ of_child
            return shared / (news @ news), shared / (of_child @ of_child), np.linalg.norm(news)

        return way

    nearest, found_by = nearest_ancestor(list(candidates.values()), None, way_from)
    assert nearest.id == next(tree.predecessors(child))
    assert found_by is (None if nearest.id == first else candidates[first])


def test_nobody_is_the_nearest_where_nobody_came_first():
    unclear = SimpleNamespace(id="a", tests=[], comparison=SimpleNamespace(direction=None, distance=1.0))
    assert nearest_ancestor([unclear], None, None) == (None, None)


def test_siblings_that_learnt_the_same_are_told_from_descendants_by_the_details():
    generator = np.random.default_rng(0)
    parent = generator.normal(size=(128, 400)) / 20
    learnt = generator.normal(size=(128, 16)) @ generator.normal(size=(16, 400)) / 40

    def trained(start, strength):
        return start + strength * learnt + generator.normal(size=start.shape) / 100

    early, late = trained(parent, 0.5), trained(parent, 1.0)
    news = Ancestor(parent).news_of
    assert news(early).share_held_by(news(late)) < 0.2
    assert news(early).share_held_by(news(trained(early, 0.5))) > 0.9


def test_the_share_is_that_of_the_singular_directions_found_by_numpy():
    generator = np.random.default_rng(1)
    parent, one, other = (generator.normal(size=(48, 90)) for _ in range(3))
    news, held = (Ancestor(parent).news_of(matrix) for matrix in (one, one + other))
    left, strengths, right = np.linalg.svd(news.values, full_matrices=False)
    along = [u @ held.values @ v / s for u, s, v in zip(left.T, strengths, right, strict=True)]
    assert np.all(strengths**2 > 1e-3 * strengths[0] ** 2)
    assert news.share_held_by(held) == pytest.approx(np.mean(along[24:]))


def test_networks_that_added_nothing_have_no_news_to_hold():
    parent = np.random.default_rng(2).normal(size=(48, 90))
    news = Ancestor(parent).news_of
    assert np.isnan(news(0.5 * parent).share_held_by(news(parent + 1)))


def test_the_walk_starts_from_the_earliest_of_those_that_came_first():
    def relative(name, distance):
        compared = SimpleNamespace(distance=distance, direction=SimpleNamespace(reading="candidate first"))
        return SimpleNamespace(id=name, tests=["a matrix"], comparison=compared)

    parent, sibling = relative("parent", 1.0), relative("sibling", 2.0)
    none_between = lambda ancestor: lambda one: (0.5, 0.0, 0.0)  # noqa: E731
    found = nearest_ancestor([sibling, parent], lambda one, other: one is parent, none_between)
    assert found == (parent, None)
