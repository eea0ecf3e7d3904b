"""What a pair of networks shows of which came earlier, on networks whose changes are planted."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_networks import ROOTS, child_of

from lineage.auditing.direction import shipped
from lineage.relation.direction.estimate import NEAR, UNKNOWN, Estimate, unmodelled
from lineage.relation.direction.lost import measured, opposite, pooled
from lineage.relation.relations import Relation


def changes(candidate: dict, child: dict) -> list:
    return [
        measured(candidate[name], child[name])
        for name in child
        if name.startswith("layer") and "weight" in name
    ]


def planted(first: float, second: float):
    """Two children of one root that moved by these strengths."""
    root = ROOTS["p1"]
    return child_of(root, 21, strength=first), child_of(root, 22, strength=second)


@pytest.mark.parametrize(("first", "second"), [(1.0, 1.0), (0.5, 1.0), (1.0, 0.6), (0.8, 1.0)])
def test_the_share_is_that_of_squared_changes_since_the_common_ancestor(first, second):
    candidate, child = planted(first, second)
    root = ROOTS["p1"]
    moved = [
        sum(float(np.square(network[name] - root[name]).sum()) for name in root if name.startswith("layer"))
        for network in (candidate, child)
    ]
    assert unmodelled(pooled(changes(candidate, child))).share == pytest.approx(
        moved[0] / sum(moved), abs=0.08
    )


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.05, 1), st.floats(0.05, 1))
def test_swapping_the_pair_swaps_the_answer(seed, first, second):
    root = ROOTS["p1"]
    candidate, child = child_of(root, seed, strength=first), child_of(root, seed + 1, strength=second)
    forth, back = changes(candidate, child), changes(child, candidate)
    found = pooled(forth)
    swapped = {name: found[opposite(name)] for name in found}
    assert swapped == pytest.approx(pooled(back), rel=1e-6, abs=1e-9)
    found, reverse = unmodelled(pooled(forth)), unmodelled(pooled(back)).swapped()
    assert (found.share, found.least, found.most) == pytest.approx(
        (reverse.share, reverse.least, reverse.most), abs=1e-6
    )


@pytest.mark.parametrize(
    ("estimate", "relation"),
    [
        (Estimate(0.0, 0.0, NEAR), Relation.ANCESTOR),
        (Estimate(1.0, 1 - NEAR, 1.0), Relation.DESCENDANT),
        (Estimate(0.5, 0.4, 0.6), Relation.SIBLING),
        (Estimate(0.1, 0.0, 0.2), Relation.UNDETERMINED),
        (UNKNOWN, Relation.UNDETERMINED),
    ],
)
def test_a_relation_is_named_only_where_the_whole_interval_allows_it(estimate, relation):
    assert estimate.relation is relation
    opposite = {Relation.ANCESTOR: Relation.DESCENDANT, Relation.DESCENDANT: Relation.ANCESTOR}
    assert estimate.swapped().relation is opposite.get(relation, relation)


def test_the_bound_is_the_ratio_of_both_changes():
    assert Estimate(0.0, 0.0, 0.2).bound == pytest.approx((0.2 / 0.8) ** 0.5)
    assert Estimate(0.0, 0.0, NEAR).bound == pytest.approx(0.35)
    assert UNKNOWN.bound == float("inf")


def test_equal_and_small_matrices_show_nothing():
    values = ROOTS["p0"]["layer0.weight"]
    assert measured(values, values) is None
    assert measured(values[:8], values[:8] + 1) is None
    assert unmodelled(pooled([])) is UNKNOWN


def test_directions_that_were_taken_away_whole_are_complete_losses():
    generator = np.random.default_rng(0)
    base = generator.normal(0, 0.1, (64, 96))
    left, _, right = np.linalg.svd(base, full_matrices=False)
    candidate = base + 5 * left[:, 40:44] @ right[40:44]
    found = measured(candidate, base)
    assert found.of_candidate.complete.mean() > 0.9
    assert not found.of_child.complete.any()


def test_a_pair_alone_shows_nothing_where_one_of_the_two_was_pruned_and_trained_on():
    """Whether a sibling or the root is beside a pruned child, what that lost of it stood in entries that are gone."""
    pruned = child_of(ROOTS["p0"], 1)
    kept = {name: np.abs(values) >= np.median(np.abs(values)) for name, values in ROOTS["p0"].items()}
    pruned = {name: np.where(kept[name], values, np.float32(0)) for name, values in pruned.items()}
    for relative in (ROOTS["p0"], child_of(ROOTS["p0"], 2)):
        for pair in ((relative, pruned), (pruned, relative)):
            matrices = [measured(pair[0][name], pair[1][name]) for name in kept if name.startswith("layer")]
            features = pooled([matrix for matrix in matrices if matrix is not None])
            assert features["filled"] == 1
            assert shipped()(features) == UNKNOWN
