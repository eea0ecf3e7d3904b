"""Alignment gives back what a disguise did, and nothing that was not there."""

import math

import numpy as np
import pytest

from lineage.auditing.decoys import Decoys
from lineage.families.networks import network
from lineage.relation.alignment.align import FIRST_LOOK, PLAUSIBLE, Undone, align, align_as
from lineage.relation.alignment.axes import UnknownStructureError
from lineage.relation.alignment.disguises import disguised
from lineage.relation.alignment.neurons import EXACT, Sides, assigned, clear, mutual
from lineage.relation.alignment.search import FIRST_GROUPS

HEAD_WIDTH = 32
REORDERED, RESCALED, THINNED = {Undone.REORDERED}, {Undone.RESCALED}, {Undone.THINNED}


def state_of(architecture: str, seed: int = 0) -> dict[str, np.ndarray]:
    net = network(architecture, width=64, classes=10, seed=seed)
    return {name: values.numpy().copy() for name, values in net.state_dict().items() if values.ndim}


def fine_tuned(state: dict[str, np.ndarray], seed: int = 5) -> dict[str, np.ndarray]:
    """Each matrix moved by a third of its size."""
    draw = np.random.default_rng(seed)
    return {
        name: (values + 0.3 * values.std() * draw.standard_normal(values.shape)).astype(np.float32)
        if values.ndim > 1
        else values
        for name, values in state.items()
    }


def hidden(architecture: str, how: str, *, seed: int = 3):
    root = state_of(architecture)
    child = fine_tuned(root)
    head_width = HEAD_WIDTH if architecture in ("vit", "llama") else None
    return root, child, disguised(child, how.split(","), np.random.default_rng(seed), head_width)


def distance(first, second) -> float:
    names = [name for name in second if second[name].ndim > 1 and not name.startswith(("head", "score"))]
    moved = sum(float(np.square(first[name] - second[name]).sum()) for name in names)
    return math.sqrt(moved / sum(float(np.square(second[name]).sum()) for name in names))


@pytest.mark.parametrize(
    ("architecture", "how", "expected"),
    [
        ("mlp", "permute", REORDERED),
        ("mlp", "rescale", RESCALED),
        ("mlp", "permute,rescale", REORDERED | RESCALED),
        ("conv", "permute,rescale", REORDERED | RESCALED),
        ("resnet", "permute,stream", REORDERED),
        ("mobile", "permute,stream", REORDERED),
        ("vit", "permute,stream,heads", REORDERED),
        ("llama", "permute,stream,heads", REORDERED),
        ("llama", "rotate,permute", REORDERED),
    ],
)
def test_an_aligned_candidate_is_as_near_as_before_the_disguise(architecture, how, expected):
    root, child, disguise = hidden(architecture, how)
    before, found = distance(root, child), align(disguise, root)
    assert distance(root, disguise) > 1.5 * before
    assert distance(found.tensors, disguise) < 1.05 * before
    assert {done for all_done in found.undone.values() for done in all_done} == expected
    assert found.is_turned == ("rotate" in how)
    assert found.margin > 0.5


@pytest.mark.parametrize("architecture", ["mlp", "conv", "resnet", "mobile", "vit", "llama"])
def test_nothing_is_undone_where_nothing_was_done(architecture):
    root = state_of(architecture)
    found = align(fine_tuned(root), root)
    assert not found.undone
    assert not found.is_turned
    assert all(np.array_equal(found.tensors[name], root[name]) for name in root)


@pytest.mark.parametrize("architecture", ["mlp", "conv", "resnet", "mobile", "vit", "llama"])
def test_independent_networks_do_not_align(architecture):
    found = align(state_of(architecture, seed=1), state_of(architecture, seed=2))
    assert found.margin < 0.15
    assert found.log10_p is None or found.log10_p > -2


def test_the_units_that_were_removed_are_found():
    root, child, thin = hidden("mlp", "thin")
    found = align(thin, root)
    for name in ("layer1.0.weight", "layer2.0.weight", "layer3.0.weight"):
        assert found.tensors[name].shape == thin[name].shape
    assert distance(found.tensors, thin) < 1.05 * distance(root, child)
    assert set(found.undone.values()) == {(Undone.THINNED,)}


@pytest.mark.parametrize("architecture", ["vit", "llama", "mobile"])
def test_the_block_that_was_left_out_is_found(architecture):
    root, child, short = hidden(architecture, "shorten")
    found = align(short, root)
    assert found.left_out == 1
    assert distance(found.tensors, short) < 1.05 * distance(root, child)


@pytest.mark.parametrize(
    ("architecture", "how"), [("conv", "permute,rescale"), ("llama", "rotate,permute"), ("mobile", "shorten")]
)
def test_what_was_undone_to_one_candidate_is_undone_to_its_relative(architecture, how):
    """Two candidates of one order among themselves keep it beside the child: their change is reordered alone."""
    root, _, disguise = hidden(architecture, how)
    sibling = fine_tuned(root, seed=9)
    found = align(disguise, root)
    other = align_as(disguise, sibling, found)
    assert other.undone == found.undone
    assert other.margin > 0.4
    apart = distance(other.in_own_scale(other.tensors), found.in_own_scale(found.tensors))
    assert apart == pytest.approx(distance(sibling, root), rel=0.15)


def test_a_candidate_of_other_sizes_is_not_aligned_as_another_one():
    _, _, disguise = hidden("mlp", "permute")
    wider = {
        name: values.numpy()
        for name, values in network("mlp", width=96, classes=10, seed=0).state_dict().items()
    }
    with pytest.raises(UnknownStructureError, match="not of one structure"):
        align_as(disguise, wider, align(disguise, state_of("mlp")))


@pytest.mark.parametrize("architecture", ["mlp", "conv", "llama"])
def test_a_candidate_in_its_own_scale_has_the_sizes_that_it_was_given(architecture):
    root, _, disguise = hidden(architecture, "permute,rescale")
    found = align(disguise, root)
    given = found.in_own_scale(found.tensors)
    for name, values in root.items():
        sizes = [
            np.sort(np.square(tensor).reshape(len(tensor), -1).sum(1)) for tensor in (given[name], values)
        ]
        np.testing.assert_allclose(*sizes, rtol=1e-3, atol=1e-6)


def test_units_that_are_dead_in_one_of_the_two_keep_their_scale():
    root, _, disguise = hidden("conv", "rescale")
    name, norm = "block2.0.weight", "block2.1.running_var"
    root[name][3] = 0
    found = align(disguise, root)
    assert found.factors["block2.0"][3] == 1
    assert np.isfinite(found.tensors[norm]).all()
    assert found.in_own_scale(disguise)[norm].max() < 100 * disguise[norm].max()


def test_what_does_not_correspond_is_refused():
    with pytest.raises(UnknownStructureError):
        align(state_of("mlp"), state_of("conv"))
    thin = disguised(state_of("mlp"), ["thin"], np.random.default_rng(0))
    with pytest.raises(UnknownStructureError, match="64 units in the child, 48 in the candidate"):
        align(state_of("mlp"), thin)


def test_held_out_tensors_of_an_aligned_child_are_tested_exactly():
    root, _, disguise = hidden("llama", "permute,stream")
    found = align(disguise, root)
    assert {name.partition("/")[2] for name in found.tests} >= {
        "layers.0.mlp.up_proj.weight",
        "layers.1.self_attn.k_proj.weight",
    }
    assert found.log10_p < -50


def test_more_units_than_are_matched_exactly_are_matched_as_well():
    draw = np.random.default_rng(0)
    order = draw.permutation(EXACT + 100)
    similarity = draw.normal(0, 0.1, (len(order), len(order)))
    similarity[np.arange(len(order)), order] += 0.6
    found = assigned(similarity)
    assert sorted(found) == list(range(len(order)))
    assert (found == order).mean() > 0.99


@pytest.mark.parametrize(("inputs", "again"), [(12, range(600, 601)), (400, range(1, 60))])
def test_of_many_units_those_in_doubt_are_matched_again_and_all_get_their_own(monkeypatch, inputs, again):
    """What few inputs leave in doubt, the next matrix tells."""
    shapes = {"layer0.weight": (600, inputs), "layer1.weight": (300, 600), "layer2.weight": (10, 300)}
    draw = np.random.default_rng(0)
    root = {name: draw.standard_normal(shape, np.float32) for name, shape in shapes.items()}
    child, order = fine_tuned(root), draw.permutation(600)
    child["layer0.weight"] = child["layer0.weight"][order]
    child["layer1.weight"] = child["layer1.weight"][:, order]
    looked_at, similarity = [], Sides.similarity

    def counted(sides, group, *given):
        found = similarity(sides, group, *given)
        looked_at.append((group.id, len(found)))
        return found

    monkeypatch.setattr(Sides, "similarity", counted)
    assert (align(child, root).orders["layer0"] == order).all()
    first, *later = [rows for id, rows in looked_at if id == "layer0"]
    assert first == 600
    assert all(rows in (EXACT, FIRST_LOOK) or rows in again for rows in later)


def test_equal_rows_have_columns_of_their_own():
    best, is_mutual = mutual(np.zeros((4, 4)))
    assert len(set(best[is_mutual])) == is_mutual.sum() == 1
    assert sorted(assigned(np.zeros((EXACT + 1, EXACT + 1)))) == list(range(EXACT + 1))


def test_only_a_unit_that_is_far_better_than_the_next_is_clear():
    similarity = np.array([[0.9, 0.1, 0.1], [0.1, 0.5, 0.45], [0.8, 0.0, 0.05]])
    assert list(clear(similarity, 0.2)) == [0, -1, -1]
    assert similarity[0, 0] == 0.9


def test_a_margin_has_the_rank_among_independent_pairs():
    decoys = Decoys(np.array([0.1, 0.2, 0.3]), "three pairs")
    assert decoys.log10_p(0.5) == pytest.approx(math.log10(1 / 4))
    assert decoys.log10_p(0.2) == pytest.approx(math.log10(3 / 4))
    assert decoys.log10_p(math.nan) == 0


def deep(seed: int, layers: int = 16, width: int = 64) -> dict[str, np.ndarray]:
    draw = np.random.default_rng(seed)
    return {
        f"layer{number:02}.weight": draw.normal(size=(width, width)).astype(np.float32)
        for number in range(layers)
    }


@pytest.mark.parametrize(("seed", "is_given_up"), [(0, False), (1, True)])
def test_a_stranger_is_given_up_after_the_first_groups(seed, is_given_up, monkeypatch):
    matched, match = set(), Sides.match

    def counted(self, group, members):
        matched.add(group.id)
        return match(self, group, members)

    monkeypatch.setattr(Sides, "match", counted)
    child = disguised(fine_tuned(deep(0)), ["permute"], np.random.default_rng(3))
    found = align(child, deep(seed))
    assert len(matched) == (FIRST_GROUPS if is_given_up else len(found.ours.groups))
    assert (found.margin < PLAUSIBLE) == is_given_up
    assert bool(found.undone) == (not is_given_up)
