"""Names, order and layouts of several libraries change no verdict: audits of transformers and recurrent networks."""

from functools import partial

import numpy as np
import pytest
from audited_tensors import audit_in_order
from small_transformers import Tensors, renamed, timm, tuned

from lineage.auditing.stages.verdict import Word

VIT, OTHER_VIT = timm(1), timm(2)


@pytest.fixture
def audited(tmp_path):
    return partial(audit_in_order, tmp_path)


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
