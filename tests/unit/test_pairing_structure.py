"""Which tensors belong together where layers are moved, fused, frozen, widened or folded: audits."""

from functools import partial

import numpy as np
import pytest
from audited_tensors import audit_in_order
from small_networks import ROOTS, child_of, learnt
from small_transformers import Tensors, llama, renamed, timm, tuned, with_layers

from lineage.auditing.stages.verdict import Word
from lineage.relation.scars.scar import ScarKind

LLAMA, OTHER_LLAMA = llama(1), llama(2)
VIT, OTHER_VIT = timm(1), timm(2)
DEEP, OTHER_DEEP = llama(3, depth=11), llama(4, depth=11)
"""More than ten layers, whose numbers are not sorted as text is."""


@pytest.fixture
def audited(tmp_path):
    return partial(audit_in_order, tmp_path)


def fused(tensors: Tensors) -> Tensors:
    """Queries, keys and values in one matrix, gates and ups in another."""
    found = {}
    for name, values in tensors.items():
        stem, _, last = name.rpartition(".self_attn.")
        if last == "q_proj.weight":
            parts = [tensors[f"{stem}.self_attn.{part}_proj.weight"] for part in "qkv"]
            found[f"{stem}.self_attn.qkv_proj.weight"] = np.concatenate(parts)
        elif name.endswith("gate_proj.weight"):
            parts = [values, tensors[name.replace("gate", "up")]]
            found[name.replace("gate_proj", "gate_up_proj")] = np.concatenate(parts)
        elif not name.endswith(("k_proj.weight", "v_proj.weight", "up_proj.weight")):
            found[name] = values
    return found


STRUCTURES = {
    "every third layer": [0, 3, 6, 9],
    "the last layers": [6, 7, 8, 9, 10],
    "reversed": [*reversed(range(11))],
    "repeated": [0, 1, 1, 2, 3, 3, 4, 5, 6, 7, 8, 9, 10],
    "a strange one inserted": [0, 1, 11, *range(2, 11)],
}
"""The child's layers, as those of its parent; 11 is a stranger's."""


@pytest.mark.parametrize("structure", STRUCTURES)
def test_layers_moved_are_paired_with_those_they_were(audited, structure):
    layers = STRUCTURES[structure]
    both = DEEP | renamed(with_layers(OTHER_DEEP, [4]), ("layers.0", "layers.11"))
    child = with_layers(tuned(both, 5), layers)
    audit = audited(child, parent=DEEP, other=llama(9, depth=11))
    parent, other = audit.candidates
    assert set(audit.verdict.family) == {"parent"}
    assert parent.log10_p < -30 < -1 < other.log10_p
    for name, partner in parent.matching.pairs.items():
        if ".layers." in name and layers[int(name.split(".")[2])] != 11:
            assert int(partner.split(".")[2]) == layers[int(name.split(".")[2])], name


@pytest.mark.parametrize("order", [range(11), [*reversed(range(11))]], ids=["in order", "reversed"])
def test_fused_matrices_are_found_in_a_candidate_that_has_them_apart(audited, order):
    child = fused(with_layers(tuned(DEEP, 5), [*order]))
    audit = audited(child, parent=DEEP, other=llama(9, depth=11))
    assert audit.verdict.closest == "parent"
    joined = audit.candidates[0].matching.joined
    for place, layer in enumerate(order):
        stem = f"model.layers.{layer}.self_attn."
        assert joined[f"model.layers.{place}.self_attn.qkv_proj.weight"] == tuple(
            f"{stem}{part}_proj.weight" for part in "qkv"
        )


def test_split_matrices_are_found_in_a_candidate_that_has_them_in_one(audited):
    audit = audited(tuned(LLAMA, 5), parent=fused(LLAMA), other=fused(OTHER_LLAMA))
    assert audit.verdict.closest == "parent"
    assert audit.candidates[0].matching.rows["model.layers.2.self_attn.k_proj.weight"] == (32, 64)


def half(number: int, layers: Tensors, beside: Tensors) -> Tensors:
    """The first network's layers below a number, and the second's from there on."""
    return {
        name: beside[name] if ".layers." in name and int(name.split(".")[2]) >= number else values
        for name, values in layers.items()
    }


@pytest.mark.parametrize(("number", "seed"), [(5, None), (3, None), (6, 5)], ids=["half", "a third", "tuned"])
def test_layers_of_two_networks_have_both_as_parents(audited, number, seed):
    child = half(number, DEEP, OTHER_DEEP)
    child = tuned(child, seed) if seed else child
    verdict = audited(child, low=DEEP, high=OTHER_DEEP, strange=llama(9, 11)).verdict
    assert verdict.word is Word.PARENT
    assert verdict.parents == pytest.approx({"low": number / 11, "high": 1 - number / 11})


def test_layers_cut_out_of_the_child_are_none_of_its_parents(audited):
    child = half(5, DEEP, OTHER_DEEP)
    low, high = with_layers(child, [0, 1, 2, 3, 4]), with_layers(child, [5, 6, 7, 8, 9, 10])
    assert audited(child, low=low, high=high).verdict.parents.keys() <= {"low"}


def test_experts_copied_from_one_layer_leave_the_parent(audited):
    generator, child = np.random.default_rng(0), {}
    for name, values in tuned(LLAMA, 5).items():
        if ".mlp." in name:
            for expert in range(3):
                noise = 0.02 * values.std() * generator.normal(size=values.shape)
                child[name.replace(".mlp.", f".moe.experts.{expert}.")] = values + noise
        else:
            child[name] = values
    audit = audited(child, parent=LLAMA, other=OTHER_LLAMA)
    assert audit.verdict.closest == "parent"
    assert [scar.kind for scar in audit.places[0].scars] == [ScarKind.REPEATED]


FIRST = "patch_embed.proj.weight"
TOP = {"top.0.weight": learnt(np.random.default_rng(0), 70, 32), "top.2.weight": np.ones((9, 70))}
FROZEN = {
    "a head of two layers": {name: values for name, values in VIT.items() if "head" not in name} | TOP,
    "vectors tuned": {name: values + 0.1 * (values.ndim == 1) for name, values in VIT.items()},
    "four channels": VIT | {FIRST: np.concatenate([VIT[FIRST], np.ones((32, 1, 4, 4))], axis=1)},
    "one channel of three": VIT | {FIRST: VIT[FIRST].sum(1, keepdims=True)},
    "a counter added": VIT | {"steps_done": np.array(7.0)},
    "a decoder added": VIT | {"decoder.0.weight": np.random.default_rng(1).normal(size=(64, 32))},
}


@pytest.mark.parametrize("change", FROZEN)
def test_a_frozen_backbone_is_the_same_weights_whatever_else_changes(audited, change):
    verdict = audited(FROZEN[change], parent=VIT, other=OTHER_VIT).verdict
    assert verdict.word in (Word.SAME, Word.PARENT)
    assert verdict.parent == "parent"


def longer(tensors: Tensors, count: int) -> Tensors:
    """With so many words more."""
    more = np.random.default_rng(3).normal(size=(count, 32))
    words = ("model.embed_tokens.weight", "lm_head.weight")
    return tensors | {name: np.concatenate([tensors[name], more]) for name in words}


@pytest.mark.parametrize("count", [1, 8])
def test_a_longer_vocabulary_says_which_network_is_the_later(audited, count):
    child = longer(LLAMA, count)
    verdict = audited(child, parent=LLAMA, other=OTHER_LLAMA).verdict
    assert (verdict.word, verdict.parent) == (Word.PARENT, "parent")
    other_way = audited(LLAMA, later=child).verdict
    assert other_way.word is Word.FAMILY
    assert "later" not in (other_way.parent,)
    moved = audited(longer(tuned(LLAMA, 5), count), parent=LLAMA).places[0]
    assert [scar.kind for scar in moved.scars] == [ScarKind.WIDENED]


def test_adapters_beside_an_unchanged_base_say_that_it_is_the_parent(audited):
    generator = np.random.default_rng(0)
    child = {}
    for name, values in LLAMA.items():
        stem = name.removesuffix("weight")
        if "v_proj" in name:
            child |= {
                f"{stem}base_layer.weight": values,
                f"{stem}lora_A.default.weight": generator.normal(size=(16, 32)),
                f"{stem}lora_B.default.weight": generator.normal(size=(32, 16)),
            }
        else:
            child[name] = values
    verdict = audited(child, parent=LLAMA, other=OTHER_LLAMA).verdict
    assert (verdict.word, verdict.parent) == (Word.PARENT, "parent")


def test_a_normalisation_folded_into_its_layer_scales_rows_and_hides_nothing(audited):
    generator, child = np.random.default_rng(0), child_of(ROOTS["p1"], 9)
    variances = {
        f"layer{layer}.bn.running_var": generator.uniform(0.2, 5, width)
        for layer, width in enumerate((96, 80, 64))
    }
    scales = {f"layer{name[5]}.weight": values[:, None] ** -0.5 for name, values in variances.items()}
    folded = {name: values * scales.get(name, 1.0) for name, values in child.items()}
    parent = ROOTS["p1"] | variances
    folded_parent = {name: values * scales.get(name, 1.0) for name, values in ROOTS["p1"].items()}
    plain = audited(child | variances, parent=parent).places[0].distance
    for ours, theirs in ((folded, parent), (child | variances, folded_parent)):
        audit = audited(ours, parent=theirs, other=ROOTS["p2"])
        assert audit.verdict.closest == "parent"
        assert audit.candidates[0].matching.scaled == scales.keys()
        assert audit.places[0].distance == pytest.approx(plain, rel=0.05)
