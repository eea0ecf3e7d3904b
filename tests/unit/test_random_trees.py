"""Random trees of networks: their shape, what they are trained with, and the cases that they give."""

import networkx as nx
import numpy as np
import pytest
from safetensors.numpy import load_file

from lineage.families import random_trees
from lineage.families.cases.random_lines import ANOTHER, NEAR, NEAREST, OUT_OF, PARENT, cases_of_tree
from lineage.families.grow_trees import grow_tree
from lineage.families.networks import ARCHITECTURES
from lineage.families.random_trees import (
    DEPTH,
    DROPOUT_OF_ROOT,
    EPOCHS_OF_ROOT,
    MODELS,
    OF_ALL,
    ROOT,
    SAME_IMAGES,
    RandomTree,
)
from lineage.families.recipes import OPTIMISERS_OF_TREES

TREE = RandomTree(architecture="mlp", seed=0)
TREES = [
    RandomTree(architecture=architecture, seed=seed) for architecture in ARCHITECTURES for seed in range(6)
]


def graph_of(tree: RandomTree) -> nx.DiGraph:
    return nx.DiGraph((parent, child) for child, parent in tree.parents.items() if parent is not None)


@pytest.mark.parametrize("tree", TREES[:8], ids=lambda tree: tree.id)
def test_each_is_one_tree_from_its_root_and_no_deeper_than_is_stated(tree):
    graph = graph_of(tree)
    assert nx.is_arborescence(graph)
    assert len(graph) == MODELS
    assert max(nx.single_source_shortest_path_length(graph, ROOT).values()) <= DEPTH


def test_parents_stand_before_their_children():
    seen = set()
    for name, step in TREE.steps.items():
        assert step.parent is None or step.parent in seen
        seen.add(name)


def test_a_tree_is_the_same_each_time_and_another_seed_gives_another():
    assert RandomTree(architecture="mlp", seed=0).steps == TREE.steps
    assert RandomTree(architecture="mlp", seed=1).parents != TREE.parents


def test_trees_have_every_optimiser_and_recipe_and_half_of_the_images_are_shared():
    steps = [(tree, step) for tree in TREES for step in tree.steps.values() if step.parent is not None]
    assert {step.family.optimiser for _, step in steps} == set(OPTIMISERS_OF_TREES)
    for recipe in ("lora", "l2_sp", "strong_decay", "dropout"):
        assert any(getattr(step.training, recipe) for _, step in steps)
    assert any(step.training.first_rate < 1 for _, step in steps)
    roots = [tree.steps[ROOT].training for tree in TREES]
    assert {root.epochs for root in roots} == set(EPOCHS_OF_ROOT)
    assert {root.dropout for root in roots} == set(DROPOUT_OF_ROOT)
    shared = np.mean([step.family.seed == tree.seed_for(OF_ALL) % 2**31 for tree, step in steps])
    assert shared == pytest.approx(SAME_IMAGES, abs=4 * np.sqrt(0.25 / len(steps)))


def test_a_tree_is_grown_from_its_parents_weights_and_goes_on_where_it_was_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr(random_trees, "MODELS", 5)
    tree, said = RandomTree(architecture="mlp", seed=11), []
    files = dict(grow_tree(tree, tmp_path, said.append))
    assert list(files) == list(tree.steps)
    assert len(said) == 5
    states = {name: load_file(path) for name, path in files.items()}
    kept = files[ROOT].read_bytes()
    files["r.0"].unlink()
    dict(grow_tree(tree, tmp_path, said.append))
    assert len(said) == 6
    assert files[ROOT].read_bytes() == kept
    for name, values in load_file(files["r.0"]).items():
        np.testing.assert_array_equal(values, states["r.0"][name])
    for name, parent in tree.parents.items():
        if parent is not None:
            own, start = (state["layer1.0.weight"] for state in (states[name], states[parent]))
            assert 0 < np.linalg.norm(own - start) < np.linalg.norm(own)


def test_every_model_is_asked_for_beside_its_parent_beside_another_and_beside_near_ones():
    cases = cases_of_tree(TREE)
    for line, count in ((PARENT, MODELS - 1), (ANOTHER, MODELS), (NEAR, MODELS)):
        of_line = [case for case in cases if case.line == line]
        assert len({case.child.model for case in of_line}) == len(of_line) == count
    for case in cases:
        names = [member.model for member in case.candidates]
        parent = TREE.parents[case.child.model]
        assert case.child.model not in names
        assert len(set(names)) == len(names) == (NEAREST if case.line == NEAR else 1)
        assert case.parent == (f"{TREE.id}/{parent}" if parent in names else None)
        assert (case.line == PARENT) <= (names == [parent])
        assert not (case.line == ANOTHER and names == [parent])


def test_near_ones_are_reached_in_as_few_steps_as_any():
    graph = graph_of(TREE).to_undirected()
    for case in cases_of_tree(TREE):
        if case.line == NEAR:
            steps = nx.single_source_shortest_path_length(graph, case.child.model)
            farthest = sorted(length for length in steps.values() if length > 0)[OUT_OF - 1]
            assert all(steps[member.model] <= farthest for member in case.candidates)


def test_a_few_cases_are_some_of_all():
    few = cases_of_tree(TREE, 4)
    assert len(few) == 12
    assert {(case.line, case.child) for case in few} <= {
        (case.line, case.child) for case in cases_of_tree(TREE)
    }
