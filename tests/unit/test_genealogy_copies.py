"""Copies in a family tree: pruned ones come from what they were pruned from, rounded ones are no merges."""

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import save_file
from small_networks import child_of, network, save_all

import lineage
from lineage.genealogy.answers import Answers, neighbours_of
from lineage.genealogy.distances.geometry import Nearest
from lineage.genealogy.distances.thinned import thinned_pairs

SHARE = 0.1


def largest(state: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Which tenth of each matrix stays when it is pruned by size."""
    return {
        name: np.abs(values) >= np.quantile(np.abs(values), 1 - SHARE)
        if values.ndim > 1
        else values == values
        for name, values in state.items()
    }


def test_a_pruned_copy_comes_from_its_source_though_another_network_of_the_same_mask_is_nearer(tmp_path):
    root = network(0)
    mask = largest(root)
    models = {
        "root": root,
        "pruned": {name: values * mask[name] for name, values in root.items()},
        "sibling": child_of(root, 1),
        "lottery ticket": {
            name: values * mask[name] for name, values in child_of(root, 2, strength=1.5).items()
        },
    }
    for name, state in models.items():
        save_file(
            {key: np.float32(values) for key, values in state.items()}, tmp_path / f"{name}.safetensors"
        )
    found = lineage.tree(tmp_path, store_digests=False)
    (edge,) = [edge for edge in found.edges if edge.child == "pruned"]
    assert (edge.parent, edge.is_directed) == ("root", True)


def test_copies_in_half_precision_are_no_merges_of_the_source_and_each_other(tmp_path):
    root = network(0)
    for name, dtype in (("root", np.float32), ("half", np.float16), ("brain", ml_dtypes.bfloat16)):
        rounded = {key: values.astype(dtype).astype(np.float32) for key, values in root.items()}
        save_file(rounded, tmp_path / f"{name}.safetensors")
    save_file(child_of(root, 1), tmp_path / "child.safetensors")
    found = lineage.tree(tmp_path, store_digests=False)
    assert not found.merges
    assert {(edge.parent, edge.child) for edge in found.edges} == {
        ("root", name) for name in ("half", "brain", "child")
    }


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
def test_a_child_is_no_merge_of_its_own_copies_and_others(tmp_path, dtype):
    root = network(0)
    child = child_of(root, 1)
    half = {key: values.astype(dtype).astype(np.float32) for key, values in child.items()}
    pruned = {
        key: np.where(abs(values) >= np.quantile(abs(values), 0.3), values, 0)
        for key, values in child.items()
    }
    models = {
        "root": root,
        "child": child,
        "half": half,
        "pruned": pruned,
        "grandchild": {**child_of(child, 2), "layer0.weight": child["layer0.weight"]},
    }
    for name, state in models.items():
        save_file(
            {key: np.float32(values) for key, values in state.items()}, tmp_path / f"{name}.safetensors"
        )
    found = lineage.tree(tmp_path, store_digests=False)
    assert not found.merges
    assert {(edge.parent, edge.child) for edge in found.edges} >= {("child", "half"), ("child", "pruned")}


def test_pairs_of_a_source_and_its_pruned_copies_are_those_that_agree_where_the_copy_is_not_0():
    values = np.random.default_rng(0).normal(size=(4, 1000))
    values[1] = np.where(np.arange(1000) % 2, values[0], 0)
    values[2] = np.where(np.arange(1000) % 4 == 1, np.float16(values[0]), 0)
    assert thinned_pairs(values) == {(0, 1), (0, 2), (1, 2)}
    assert thinned_pairs(np.zeros((2, 10))) == set()
    assert thinned_pairs(np.where(np.arange(1000) % 2, values[:1] + 1e-5 * values, 0)) == set()


def test_pairs_that_are_far_apart_are_compared_where_they_are_asked_for():
    nearest = Nearest(np.array([[1], [0], [1]]), np.array([[1.0], [1.0], [2.0]]))
    compared = {
        frozenset((child, place))
        for child, near in enumerate(neighbours_of(nearest, {(2, 0)}))
        for place in near
    }
    assert compared == {frozenset(pair) for pair in ((0, 1), (1, 2), (0, 2))}


def test_into_a_copy_no_edge_leads_but_from_its_source():
    answers = Answers({(0, 1): 0.5, (1, 0): 0.5, (2, 1): 0.9, (1, 2): 0.1}, {}, {(0, 1)})
    assert answers.beside_sources() == {(2, 1)}


@pytest.mark.parametrize("kind", ["rounded", "pruned", "grown"])
def test_a_model_with_nothing_but_its_copies_has_a_tree(tmp_path, kind):
    root = network(5) | {"words.w": np.random.default_rng(0).normal(size=(300, 64)).astype(np.float32)}
    copies = {
        "rounded": {
            name: (values.view(np.uint32) >> 16 << 16).view(np.float32) for name, values in root.items()
        },
        "pruned": {name: np.where(np.abs(values) < 0.1, 0, values) for name, values in root.items()},
        "grown": root | {"words.w": np.concatenate([root["words.w"], root["words.w"][:9] * 2])},
    }
    found = lineage.tree(
        save_all(tmp_path / "zoo", {"root": root, "copy": copies[kind]}), store_digests=False
    )
    assert [(edge.parent, edge.child) for edge in found.edges] == [("root", "copy")]
    assert found.merges == []
