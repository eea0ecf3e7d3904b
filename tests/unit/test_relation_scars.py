"""Scars of copies that NumPy and PyTorch round, and of children trained from such copies without caring for them."""

import numpy as np
import pytest
from scarred_copies import CHANGES, HALVED, PRUNED, QUANTISED, State, copy_of
from small_networks import child_of, network

from lineage.relation.direction.estimate import NEAR, Estimate
from lineage.relation.relations import Relation
from lineage.relation.scars.limits import limited
from lineage.relation.scars.scar import Later, Scar, ScarKind, later_of, no_ancestors, source_of
from lineage.relation.scars.search import ScarSearch

SOURCE = network(3, widths=(64, 96, 96, 64, 10))
LIGHT, HEAVY = child_of(SOURCE, 9, strength=0.02), child_of(SOURCE, 9)
KIND_OF = (
    dict.fromkeys(PRUNED, ScarKind.ZEROS)
    | dict.fromkeys(QUANTISED, ScarKind.GRID)
    | dict.fromkeys(HALVED, ScarKind.HALF)
)


def scars_of(candidate: State, child: State) -> list[Scar]:
    search = ScarSearch()
    for name in candidate:
        if name != "head.weight":
            search.look(candidate[name], child[name])
    return search.scars()


def turned(scars: list[Scar]) -> list[tuple]:
    """What scars say of the pair the other way round, but for the words."""
    return sorted((scar.kind, scar.later.earlier, scar.forbids, scar.is_copy) for scar in scars)


def said(scars: list[Scar]) -> list[tuple]:
    return sorted((scar.kind, scar.later, scar.forbids, scar.is_copy) for scar in scars)


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("source", [SOURCE, LIGHT, HEAVY], ids=["root", "light child", "heavy child"])
def test_a_changed_copy_is_later_than_its_source(source, change):
    scars = scars_of(copy_of(source, change), source)
    assert later_of(scars) is Later.CANDIDATE
    assert source_of(scars) is Later.CHILD
    if change in KIND_OF:
        assert {scar.kind for scar in scars} == {KIND_OF[change]}
    assert said(scars_of(source, copy_of(source, change))) == turned(scars)


@pytest.mark.parametrize("change", ["pruned 50 %", "int4 in groups", "nf4", "pruned, fp16"])
def test_a_changed_copy_of_a_near_relative_is_no_parent(change):
    scars = scars_of(copy_of(SOURCE, change), LIGHT)
    assert no_ancestors(scars) == {Later.CANDIDATE}
    assert said(scars_of(LIGHT, copy_of(SOURCE, change))) == turned(scars)


@pytest.mark.parametrize("strength", [0.003, 0.02, 0.5])
@pytest.mark.parametrize("change", CHANGES)
def test_what_was_trained_from_a_changed_copy_without_caring_for_it_bars_nothing(change, strength):
    """A child's change is planted: a few strong directions, and noise that is a hundredth of them or so."""
    start = copy_of(SOURCE, change)
    child = child_of(start, 12, strength=strength)
    assert scars_of(start, child) == []
    assert scars_of(child, start) == []


@pytest.mark.parametrize("change", [*PRUNED, "int8 by row", "int4 in groups", "nf4"])
def test_a_low_rank_update_of_a_changed_copy_bars_nothing(change):
    start, generator = copy_of(SOURCE, change), np.random.default_rng(5)
    child = dict(start)
    for name, values in start.items():
        if values.ndim == 2:
            left, right = (generator.normal(size=(length, 4)) for length in values.shape)
            child[name] = (values + 0.01 * left @ right.T).astype("f4")
    assert no_ancestors(scars_of(start, child)) == set()


@pytest.mark.parametrize("seed", range(4))
def test_a_copy_in_a_code_whose_cells_are_wide_where_weights_are_few_is_known(seed):
    """Of such cells a value lies rather on the side where there are more."""
    generator = np.random.default_rng(seed)
    source = {f"l{layer}.weight": generator.laplace(size=(64, 96)).astype("f4") for layer in range(4)}
    scars = scars_of(copy_of(source, "nf4"), source)
    assert source_of(scars) is Later.CHILD
    assert no_ancestors(scars) == {Later.CANDIDATE}


def test_zeros_that_both_have_are_no_scar_and_more_zeros_are_one():
    half = copy_of(SOURCE, "pruned 50 %")
    tuned = {
        name: np.where(half[name] != 0, values, 0) for name, values in child_of(half, 4, strength=0.1).items()
    }
    assert scars_of(half, tuned) == []
    assert later_of(scars_of(half, copy_of(half, "pruned 80 %"))) is Later.CHILD


def test_two_siblings_that_were_both_pruned_are_no_ancestors_of_each_other():
    first, second = (copy_of(child_of(SOURCE, seed), "pruned 50 %") for seed in (5, 6))
    scars = scars_of(first, second)
    assert no_ancestors(scars) == set(Later)
    assert later_of(scars) is None
    assert source_of(scars) is None


@pytest.mark.parametrize("rows", [slice(0, 30), slice(0, 96)])
def test_rows_that_start_at_zero_and_learn_are_no_scar(rows):
    start = dict(SOURCE) | {"layer1.weight": SOURCE["layer1.weight"].copy()}
    start["layer1.weight"][rows] = 0
    assert scars_of(start, child_of(start, 7)) == []


def test_constants_masks_and_signs_are_on_no_grid():
    generator = np.random.default_rng(0)
    fixed = {
        "ones": np.ones((64, 64), np.float32),
        "mask": np.tril(np.ones((64, 64), np.float32)),
        "signs": generator.choice(np.float32([-0.1, 0.1]), (64, 64)),
    }
    trained = {
        name: (values + generator.normal(0, 0.01, values.shape)).astype("f4")
        for name, values in fixed.items()
    }
    assert scars_of(fixed, trained) == []


def test_independent_relatives_have_no_scars():
    for first, second in ((SOURCE, HEAVY), (SOURCE, LIGHT), (LIGHT, HEAVY)):
        assert scars_of(first, second) == []


def test_transposed_tensors_have_the_same_scars():
    copy = copy_of(SOURCE, "int8 by row")
    flipped = [{name: values.T for name, values in state.items()} for state in (copy, SOURCE)]
    assert said(scars_of(*flipped)) == said(scars_of(copy, SOURCE))


SCARS = {
    later: Scar(kind=ScarKind.ZEROS, later=later, evidence="zeros", is_copy=is_copy)
    for later, is_copy in ((Later.CANDIDATE, False), (Later.CHILD, False))
}
COPY = Scar(kind=ScarKind.GRID, later=Later.CANDIDATE, evidence="grid", is_copy=True)


@pytest.mark.parametrize(
    "estimate", [Estimate(0.02, 0.0, 0.08), Estimate(0.5, 0.3, 0.6), Estimate(0.5, 0.0, 1.0)]
)
@pytest.mark.parametrize(
    "scars", [[], [SCARS[Later.CANDIDATE]], [SCARS[Later.CHILD]], list(SCARS.values()), [COPY]]
)
def test_limits_turn_with_the_pair_and_leave_no_forbidden_relation(estimate, scars):
    found = limited(estimate, scars)
    swapped = [Scar(**(vars(scar) | {"later": scar.later.earlier})) for scar in scars]
    again = limited(estimate.swapped(), swapped).swapped()
    assert (found.share, found.least, found.most) == pytest.approx((again.share, again.least, again.most))
    assert found.least <= found.share <= found.most
    if SCARS[Later.CANDIDATE] in scars:
        assert found.least > NEAR
        assert found.relation is not Relation.ANCESTOR
    if SCARS[Later.CHILD] in scars:
        assert found.relation is not Relation.DESCENDANT
    if COPY in scars:
        assert found.relation is Relation.DESCENDANT
    if not scars:
        assert found == estimate
