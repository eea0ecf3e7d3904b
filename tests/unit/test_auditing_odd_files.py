"""Audits of networks whose tensors are named, laid out or put together as few are: each as the plain ones."""

import numpy as np
import pytest
from audited_tensors import audit_of
from small_networks import ROOTS, child_of, network

from lineage.auditing.stages.verdict import Word
from lineage.relation.alignment.disguises import disguised

Tensors = dict[str, np.ndarray]
CHILD = child_of(ROOTS["p2"], 27)


def random(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def blocks(seed: int, depth: int = 5, width: int = 64) -> Tensors:
    """Pairs of layers, the second of which has the first one's shape the other way round."""
    draw, found = np.random.default_rng(seed), {}
    for number in range(depth):
        for name, rows, columns in (("fc1", 4 * width, width), ("fc2", width, 4 * width)):
            found[f"blocks.{number}.{name}.weight"] = draw.normal(0, columns**-0.5, (rows, columns))
            found[f"blocks.{number}.{name}.bias"] = draw.normal(0, 0.1, rows)
    found["head.weight"] = draw.normal(0, width**-0.5, (10, width))
    return {name: values.astype(np.float32) for name, values in found.items()}


def drifted(tensors: Tensors, seed: int) -> Tensors:
    draw = np.random.default_rng(seed)
    return {
        name: (values + 0.2 * values.std() * draw.normal(size=values.shape)).astype(np.float32)
        for name, values in tensors.items()
    }


def depthwise(seed: int, space: int, width: int = 24) -> Tensors:
    """A small network of depthwise and pointwise convolutions."""
    draw = np.random.default_rng(seed)
    found = {"stem.weight": draw.normal(size=(width, 3, space, space)) / space}
    for number, rows in enumerate((width, 2 * width, 4 * width)):
        place = f"blocks.{number}"
        found[f"{place}.0.weight"] = draw.normal(size=(rows, 1, space, space)) / space
        found[f"{place}.0.bias"] = 0.1 * draw.normal(size=rows)
        for norm, size in ((1, rows), (4, 2 * rows)):
            found[f"{place}.{norm}.weight"] = 1 + 0.2 * draw.normal(size=size)
            found[f"{place}.{norm}.bias"] = 0.2 * draw.normal(size=size)
            found[f"{place}.{norm}.running_mean"] = 0.2 * draw.normal(size=size)
            found[f"{place}.{norm}.running_var"] = 0.5 + draw.random(size)
        found[f"{place}.3.weight"] = draw.normal(size=(2 * rows, rows, 1, 1)) * rows**-0.5
        found[f"{place}.3.bias"] = 0.1 * draw.normal(size=2 * rows)
    found["fc.weight"] = draw.normal(size=(10, 8 * width)) / 14
    return {name: values.astype(np.float32) for name, values in found.items()}


def convolutions(seed: int, side: int = 1) -> Tensors:
    """Convolutions under two linear layers, for images that become side x side."""
    found = {}
    for number, (inputs, outputs) in enumerate(((3, 32), (32, 48), (48, 64), (64, 64))):
        found[f"features.{2 * number}.weight"] = random(100 * seed + number, outputs, inputs, 3, 3)
        found[f"features.{2 * number}.bias"] = 0.1 * random(100 * seed + 9 + number, outputs)
    found["classifier.0.weight"] = random(seed, 96, 64 * side**2)
    return found | {
        "classifier.0.bias": random(seed, 96),
        "classifier.2.weight": random(seed + 5, 10, 96),
    }


def llama(seed: int, width: int, layers: int = 3) -> Tensors:
    draw, found = np.random.default_rng(seed), {}
    for name in ("model.embed_tokens", "lm_head"):
        found[f"{name}.weight"] = 0.05 * draw.normal(size=(200, width))
    for number in range(layers):
        place = f"model.layers.{number}"
        for name, rows, columns in (
            ("self_attn.q_proj", 64, width), ("self_attn.k_proj", 32, width), ("self_attn.v_proj", 32, width),
            ("self_attn.o_proj", width, 64), ("mlp.gate_proj", 160, width), ("mlp.up_proj", 160, width),
            ("mlp.down_proj", width, 160),
        ):  # fmt: skip
            found[f"{place}.{name}.weight"] = 0.05 * draw.normal(size=(rows, columns))
        for norm in ("input_layernorm", "post_attention_layernorm"):
            found[f"{place}.{norm}.weight"] = 1 + 0.2 * draw.normal(size=width)
    found["model.norm.weight"] = 1 + 0.2 * draw.normal(size=width)
    return {name: values.astype(np.float32) for name, values in found.items()}


@pytest.mark.parametrize("where", ["child", "candidate"])
@pytest.mark.parametrize(
    "name", ["/fc/Constant_output_0", ".hidden.weight", "a..b.weight", "-", "layers.-.w"]
)
def test_a_name_of_which_a_part_has_no_word_hides_nothing(tmp_path, name, where):
    odd = {name: random(1, 64, 64)}
    child, candidate = (CHILD | odd, ROOTS["p2"]) if where == "child" else (CHILD, ROOTS["p2"] | odd)
    assert audit_of(tmp_path, child, {"p2": candidate, "p1": ROOTS["p1"]}).verdict.family == ["p2"]


@pytest.mark.parametrize(
    "lay_out", [lambda bias: bias[None], lambda bias: bias[:, None], lambda bias: bias[None, :, None]]
)
@pytest.mark.parametrize("of_child", [True, False])
def test_biases_with_axes_of_length_1_are_those_without(tmp_path, lay_out, of_child):
    def laid_out(tensors: Tensors) -> Tensors:
        return {name: values if values.ndim > 1 else lay_out(values) for name, values in tensors.items()}

    child = laid_out(CHILD) if of_child else CHILD
    roots = ROOTS if of_child else {name: laid_out(root) for name, root in ROOTS.items()}
    assert audit_of(tmp_path, child, roots).verdict.family == ["p2"]
    strangers = {name: root for name, root in roots.items() if name != "p2"}
    assert audit_of(tmp_path, child, strangers).verdict.word is Word.NONE


@pytest.mark.parametrize("has_biases", [True, False])
@pytest.mark.parametrize("transposed", [True, False])
@pytest.mark.parametrize("of_child", [True, False])
def test_kernels_of_one_place_are_the_matrices_of_a_linear_layer(tmp_path, has_biases, transposed, of_child):
    """Conv1D of Keras and of TensorFlow's GPT-2: the fc1 of one has the shape of the other's fc2."""

    def as_kernels(tensors: Tensors) -> Tensors:
        return {
            name: (values.T if transposed else values)[None]
            if "blocks" in name and values.ndim == 2
            else values
            for name, values in tensors.items()
        }

    roots = {
        name: {key: values for key, values in blocks(seed).items() if has_biases or "bias" not in key}
        for name, seed in (("a", 1), ("b", 2))
    }
    child = drifted(roots["a"], 9)
    if of_child:
        child = as_kernels(child)
    else:
        roots = {name: as_kernels(root) for name, root in roots.items()}
    found = audit_of(tmp_path, child, roots)
    assert found.verdict.family == ["a"]
    assert {each.id: each.coverage for each in found.evidence}["a"] > 0.9
    assert audit_of(tmp_path, child, {"b": roots["b"]}).verdict.word is Word.NONE


def test_with_biases_of_another_layout_square_layers_stay_as_they_are(tmp_path):
    roots = {name: network(seed, widths=(48, 64, 64, 64, 64, 10)) for name, seed in (("a", 1), ("b", 2))}
    child = child_of(roots["a"], 7)
    rows = {
        name: {key: values if values.ndim > 1 else values[None] for key, values in root.items()}
        for name, root in roots.items()
    }
    assert audit_of(tmp_path, child, rows).verdict.family == ["a"]


def one_dimensional(seed: int, places: int) -> Tensors:
    """Convolutions over time, the last of which has one output."""
    found = {}
    for number, (inputs, outputs) in enumerate(((2, 48), (48, 64), (64, 64))):
        found[f"body.{number}.weight"] = random(100 * seed + number, outputs, inputs, 3)
        found[f"body.{number}.bias"] = 0.1 * random(100 * seed + 9 + number, outputs)
    return found | {"post.weight": random(seed, 1, 64, places), "post.bias": random(seed + 1, 1)}


@pytest.mark.parametrize("places", [9, 15, 31])
def test_a_kernel_of_one_output_stays_one_however_many_places_it_has(tmp_path, places):
    child = disguised(drifted(one_dimensional(1, places), 3), ["permute"], np.random.default_rng(5))
    strangers = {f"s{seed}": one_dimensional(seed, places) for seed in (2, 3)}
    verdict = audit_of(tmp_path, child, {"p": one_dimensional(1, places)} | strangers).verdict
    assert verdict.family == ["p"]


@pytest.mark.parametrize("side", [1, 4])
def test_another_image_size_hides_no_permuted_parent(tmp_path, side):
    child = drifted(convolutions(1, 7), 3) | {"classifier.0.weight": random(77, 96, 64 * side**2)}
    hidden = disguised(child, ["permute"], np.random.default_rng(5))
    candidates = {"p": convolutions(1, 7), "s": convolutions(2, 7), "t": convolutions(3, 7)}
    assert audit_of(tmp_path, hidden, candidates).verdict.family == ["p"]


def test_tied_matrices_that_are_stored_twice_are_the_same_weights(tmp_path):
    table = random(1, 900, 64)
    tied = ROOTS["p1"] | {"shared.weight": table}
    stored = tied | {f"{part}.embed_tokens.weight": table for part in ("encoder", "decoder")}
    for number, (child, candidate) in enumerate(((tied, stored), (stored, tied))):
        folder = tmp_path / str(number)
        folder.mkdir()
        assert audit_of(folder, child, {"p1": candidate, "p2": ROOTS["p2"]}).verdict.word is Word.SAME


def test_convolutions_that_only_small_parts_let_compare_are_not_aligned_by_chance(tmp_path):
    strangers = {f"s{seed}": depthwise(100 + seed, 3) for seed in range(4)}
    assert audit_of(tmp_path, depthwise(0, 5), strangers).verdict.word is Word.NONE


def test_a_narrower_transformer_is_not_rotated_into_a_wider_one(tmp_path):
    verdict = audit_of(tmp_path, llama(1, 48), {"wider": llama(2, 64), "own": llama(1, 48)}).verdict
    assert verdict.family == ["own"]
    assert audit_of(tmp_path, llama(1, 48), {"wider": llama(2, 64)}).verdict.word is Word.CANNOT_TELL


def test_a_kernel_that_one_of_two_strangers_has_flat_is_not_aligned(tmp_path):
    child = convolutions(0)
    child["features.2.weight"] = child["features.2.weight"].reshape(48, -1)
    found = audit_of(tmp_path, child, {"stranger": convolutions(50)})
    assert found.verdict.word is Word.NONE
    assert "features.2.weight: 9 places a unit in the child, 1 in the candidate" in found.verdict.reason


@pytest.mark.parametrize("of_child", [True, False])
def test_a_network_that_holds_another_one_beside_more_than_that_has_not_its_weights(tmp_path, of_child):
    part, more = network(1), network(5, widths=(48, 200, 180, 64, 10))
    whole = {f"text.{name}": values for name, values in part.items()}
    whole |= {f"vision.{name}": values for name, values in more.items()}
    child, candidate = (whole, part) if of_child else (part, whole)
    verdict = audit_of(tmp_path, child, {"other": candidate, "stranger": network(3)}).verdict
    assert (verdict.word, verdict.closest) == (Word.FAMILY, "other")
