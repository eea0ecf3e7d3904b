"""The nearest ancestor: the search on trees whose every edge is a direction of its own, and on real matrices."""

from types import SimpleNamespace

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lineage.auditing.stages.ancestry import (
    CONTAINED,
    Ancestry,
    Step,
    nearest_ancestor,
    precedes,
    steps_from,
)
from lineage.relation.direction import Reading


def relative(name, reading=Reading.CANDIDATE_FIRST, *, distance=1.0, tests=("a matrix",)):
    direction = SimpleNamespace(reading=reading) if reading else None
    comparison = SimpleNamespace(distance=distance, direction=direction)
    return SimpleNamespace(id=name, tests=dict.fromkeys(tests), comparison=comparison)


@st.composite
def families(draw):
    """A tree, the child, and an ancestor or cousin that is read as an ancestor."""
    count = draw(st.integers(3, 12))
    tree = nx.DiGraph([(draw(st.integers(0, node - 1)), node) for node in range(1, count)])
    child = draw(st.integers(1, count - 1))
    start = draw(st.sampled_from(sorted(set(tree) - {child} - nx.descendants(tree, child))))
    return tree, child, start


@given(families())
def test_the_parent_is_found_from_any_relative_that_does_not_descend_from_the_child(family):
    """The tree alone says what a network contains: the edges of its path from the root, all equally long."""
    tree, child, start = family
    edges = {node: set(nx.shortest_path(tree, 0, node)) for node in tree}

    def steps_of_the_tree(ancestor):
        def step(candidate):
            update, of_child = (edges[node] ^ edges[ancestor.id] for node in (candidate.id, child))
            shared = len(update & of_child)
            return Step(shared / len(update), shared / len(of_child), len(update) ** 0.5)

        return step

    relatives = {
        node: relative(node, Reading.CANDIDATE_FIRST if node == start else Reading.UNCLEAR)
        for node in tree
        if node != child
    }
    found = nearest_ancestor(list(relatives.values()), None, steps_of_the_tree)
    assert found.nearest.id == next(tree.predecessors(child))
    assert found.start is (None if found.nearest.id == start else relatives[start])


def nothing_between(ancestor):
    return lambda candidate: Step(0.5, 0.0, 0.0)


@pytest.mark.parametrize("reading", [None, Reading.UNCLEAR, Reading.CHILD_FIRST])
def test_there_is_no_ancestor_where_no_relative_is_read_as_one(reading):
    assert nearest_ancestor([relative("a", reading)], None, nothing_between) == Ancestry(None, None)


def test_a_relative_with_fewer_than_half_of_the_matrices_is_no_ancestor():
    few = relative("few", tests=("a",))
    many = relative("many", Reading.UNCLEAR, tests=("a", "b", "c"))
    assert nearest_ancestor([few, many], None, nothing_between).nearest is None


def test_the_search_starts_from_the_earliest_ancestor():
    parent, sibling = relative("parent", distance=1.0), relative("sibling", distance=2.0)
    found = nearest_ancestor([sibling, parent], lambda first, _: first is parent, nothing_between)
    assert found == Ancestry(parent, None)


def test_a_descendant_of_the_child_is_never_on_the_path():
    start, descendant = relative("start"), relative("descendant", Reading.CHILD_FIRST)
    all_between = lambda _: lambda __: Step(1.0, 0.0, 1.0)  # noqa: E731
    assert nearest_ancestor([start, descendant], None, all_between).nearest is start


@pytest.mark.parametrize(
    ("in_child", "in_relative", "is_between"),
    [(1.0, 0.5, True), (CONTAINED, 0.0, True), (0.8, 0.1, False), (1.0, 1.0, False), (0.9, 0.95, False)],
)
def test_a_network_lies_between_if_the_child_contains_it_and_not_the_reverse(
    in_child, in_relative, is_between
):
    assert Step(in_child, in_relative, 1.0).is_between is is_between


class Family:
    """Matrices of a root, its child, grandchild and independent child, as relatives of the grandchild."""

    def __init__(self):
        generator = np.random.default_rng(0)
        root = generator.normal(size=(96, 200)) / 14

        def trained(start):
            strong = generator.normal(size=(96, 8)) @ generator.normal(size=(8, 200)) / 60
            return start + strong + generator.normal(size=start.shape) / 100

        self.matrices = {"root": root, "middle": trained(root), "cousin": trained(root)}
        self.grandchild = trained(self.matrices["middle"])

    def __getitem__(self, name):
        return SimpleNamespace(
            id=name,
            tests={"w": SimpleNamespace(rows=96)},
            pair=lambda _: (self.matrices[name], self.grandchild),
        )


def test_real_matrices_say_which_of_two_networks_is_the_ancestor():
    family = Family()
    assert precedes(family["root"], family["middle"])
    assert not precedes(family["middle"], family["root"])
    assert not precedes(family["cousin"], family["middle"])


def test_real_matrices_say_which_network_lies_between_an_ancestor_and_the_child():
    family = Family()
    step_to = steps_from(family["root"])
    assert step_to(family["middle"]).is_between
    assert not step_to(family["cousin"]).is_between
    assert step_to(family["middle"]).size == pytest.approx(
        np.linalg.norm(family.matrices["middle"] - family.matrices["root"]), rel=0.05
    )


def test_a_relative_without_a_matrix_in_common_lies_nowhere():
    family = Family()
    stranger = SimpleNamespace(id="stranger", tests={}, pair=None)
    assert not steps_from(family["root"])(stranger).is_between


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(3, 6))
def test_the_parent_is_found_on_a_chain_of_real_matrices(seed, length):
    generator = np.random.default_rng(seed)
    chain = [generator.normal(size=(64, 128)) / 11]
    for _ in range(length):
        chain.append(chain[-1] + generator.normal(size=(64, 128)) / 50)
    *ancestors, child = chain

    def of(number):
        found = relative(number, Reading.CANDIDATE_FIRST if number == 0 else Reading.UNCLEAR)
        found.tests = {"w": SimpleNamespace(rows=64)}
        found.pair = lambda _: (ancestors[number], child)
        return found

    order = generator.permutation(length)
    found = nearest_ancestor([of(int(number)) for number in order], precedes, steps_from)
    assert found.nearest.id == length - 1
    assert found.start.id == 0
