"""Which tensors belong together where names, order, layout or structure differ: audits of small networks."""

import numpy as np
import pytest
from safetensors.numpy import save_file
from small_networks import ROOTS, child_of, learnt
from small_transformers import Tensors, llama, renamed, timm, tuned, with_layers

from lineage.auditing.audit import Audit, audit_sources
from lineage.auditing.stages.verdict import Word
from lineage.checkpoints.find import Source
from lineage.relation.scars.scar import ScarKind


@pytest.fixture(scope="module")
def audited(tmp_path_factory):
    """Audits a child against candidates by name; safetensors sort their names, npz keep them in order."""
    folder = tmp_path_factory.mktemp("pairing")

    def save(name: str, tensors: Tensors, kind: str) -> str:
        path = folder / f"{name}.{kind}"
        tensors = {key: np.ascontiguousarray(values, np.float32) for key, values in tensors.items()}
        np.savez(path, **tensors) if kind == "npz" else save_file(tensors, path)
        return str(path)

    def audit(child: Tensors, kind: str = "npz", **candidates: Tensors) -> Audit:
        sources = [
            Source(id=name, path=save(name, tensors, "safetensors")) for name, tensors in candidates.items()
        ]
        return audit_sources(save("child", child, kind), sources)

    return audit


LLAMA, OTHER_LLAMA = llama(1), llama(2)
VIT, OTHER_VIT = timm(1), timm(2)
DEEP, OTHER_DEEP = llama(3, depth=11), llama(4, depth=11)
"""More than ten layers, whose numbers are not sorted as text is."""


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


def in_torchvision(tensors: Tensors) -> Tensors:
    return renamed(
        tensors, ("blocks.", "encoder.layers.encoder_layer_"), ("mlp.fc1", "mlp.0"), ("mlp.fc2", "mlp.3"),
        ("attn.qkv.weight", "self_attention.in_proj_weight"), ("attn.proj", "self_attention.out_proj"),
        ("patch_embed.proj", "conv_proj"), ("norm1", "ln_1"), ("head", "heads.head"),
    )  # fmt: skip


def in_hugging_face(tensors: Tensors) -> Tensors:
    """ViTModel's names, which split queries, keys and values."""
    found = {}
    for name, values in tensors.items():
        if "attn.qkv" in name:
            stem = name.replace("blocks.", "vit.encoder.layer.").partition("attn.")[0]
            for part, rows in zip(("query", "key", "value"), np.split(values, 3), strict=True):
                found[f"{stem}attention.attention.{part}.weight"] = rows
        else:
            found[name] = values
    return renamed(
        found, ("blocks.", "vit.encoder.layer."), ("attn.proj", "attention.output.dense"),
        ("mlp.fc1", "intermediate.dense"), ("mlp.fc2", "output.dense"), ("norm1", "layernorm_before"),
        ("patch_embed.proj", "vit.embeddings.patch_embeddings.projection"), ("head", "classifier"),
    )  # fmt: skip


def in_flax(tensors: Tensors) -> Tensors:
    """Matrices as [inputs, outputs], kernels as [height, width, inputs, outputs]."""
    turned = {
        name: np.transpose(values, (2, 3, 1, 0)) if values.ndim == 4 else values.T
        for name, values in tensors.items()
    }
    return renamed(
        turned, (".weight", "/kernel"), (".bias", "/bias"), ("blocks.", "Transformer/encoderblock_")
    )


def numbered(tensors: Tensors) -> Tensors:
    """The names of an export that keeps none; matrices as a MatMul has them."""
    return {
        f"onnx::MatMul_{100 + 7 * number}": values.T if values.ndim == 2 else values
        for number, values in enumerate(tensors.values())
    }


SPELLINGS = {
    "prefixed": lambda tensors: {f"student.encoder_q.{name}": values for name, values in tensors.items()},
    "of a value network": lambda tensors: {f"value_net.{name}": values for name, values in tensors.items()},
    "of a mask's branch": lambda tensors: {f"mask_head.{name}": values for name, values in tensors.items()},
    "wrapped twice": lambda tensors: {
        f"_orig_mod.module.ema.{name}": values for name, values in tensors.items()
    },
    "reversed": lambda tensors: dict(reversed(tensors.items())),
    "torchvision": in_torchvision,
    "Hugging Face": in_hugging_face,
    "Flax": in_flax,
    "without names": numbered,
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_names_order_and_layout_change_no_verdict(audited, spelling):
    child = tuned(VIT, 5)
    candidates = {"parent": VIT, "sibling": tuned(VIT, 6), "other": OTHER_VIT}
    plain = audited(child, **candidates).verdict
    found = audited(SPELLINGS[spelling](child), **candidates).verdict
    assert (plain.word, plain.closest) == (found.word, found.closest)
    assert found.log10_p < -80


@pytest.mark.parametrize("spelling", ["prefixed", "torchvision", "Flax", "without names"])
def test_names_order_and_layout_make_no_family_of_strangers(audited, spelling):
    verdict = audited(SPELLINGS[spelling](tuned(VIT, 5)), other=OTHER_VIT, third=timm(7)).verdict
    assert verdict.word is Word.NONE
    assert verdict.log10_p > -1


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


def lstm(seed: int, layers: int) -> Tensors:
    generator = np.random.default_rng(seed)
    found = {}
    for layer in range(layers):
        found[f"rnn.weight_ih_l{layer}"] = generator.normal(size=(4 * 24, 20 if layer == 0 else 24)) / 5
        found[f"rnn.weight_hh_l{layer}"] = generator.normal(size=(4 * 24, 24)) / 5
        found[f"rnn.bias_ih_l{layer}"] = generator.normal(size=4 * 24)
    return found | {"head.weight": generator.normal(size=(5, 24))}


def in_onnx(tensors: Tensors) -> Tensors:
    """[directions, gates · neurons, k] with the gates as input, output, forget, cell."""
    found = {}
    for name, values in tensors.items():
        if "weight_" in name:
            gates = np.split(values, 4)
            found[f"onnx::LSTM_{len(found)}"] = np.concatenate([gates[0], gates[3], gates[1], gates[2]])[None]
        elif "bias" not in name:
            found[name] = values
    return found


def in_keras(tensors: Tensors) -> Tensors:
    return {
        name.replace("weight_ih_l", "lstm_cell_").replace("weight_hh_l", "lstm_cell_")
        + ("/recurrent_kernel:0" if "_hh_" in name else "/kernel:0"): values.T
        for name, values in tensors.items()
        if values.ndim == 2
    }


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("spelling", [dict, in_onnx, in_keras])
def test_the_same_recurrent_layers_are_the_same_weights_in_every_layout(audited, layers, spelling):
    child = lstm(1, layers) | {"head.weight": np.random.default_rng(9).normal(size=(7, 24))}
    verdict = audited(spelling(child), parent=lstm(1, layers), other=lstm(2, layers)).verdict
    assert (verdict.word, verdict.parent) == (Word.SAME, "parent")
    assert audited(spelling(child), other=lstm(2, layers), third=lstm(3, layers)).verdict.word is Word.NONE


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
