"""Adapters of low rank: told by their names, merged as their papers say, alone no evidence of a base."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file
from saved_adapters import saved
from small_networks import ROOTS, child_of

from lineage.auditing.run import audit
from lineage.checkpoints.adapters.config import config_beside, shipped_base
from lineage.checkpoints.adapters.fit import fit
from lineage.checkpoints.adapters.merging import merged
from lineage.checkpoints.adapters.parts import parts_of, shapes_of
from lineage.checkpoints.read import open_model
from lineage.errors import UserError

DRAWN = np.random.default_rng(0)
RANK = 4


def drawn(*shape: int) -> np.ndarray:
    return DRAWN.normal(size=shape).astype(np.float32)


def lora(
    base: dict[str, np.ndarray], modules, prefix="base_model.model.", suffix=""
) -> dict[str, np.ndarray]:
    tensors = {}
    for module in modules:
        outputs, inputs = base[f"{module}.weight"].shape
        tensors[f"{prefix}{module}.lora_A{suffix}.weight"] = drawn(RANK, inputs)
        tensors[f"{prefix}{module}.lora_B{suffix}.weight"] = drawn(outputs, RANK)
    return tensors


BASE = {
    "model.layers.0.q_proj.weight": drawn(12, 8),
    "model.layers.0.down.weight": drawn(8, 12),
    "model.norm.weight": drawn(8),
    "score.weight": drawn(3, 8),
    "score.bias": drawn(3),
}
MODULES = ["model.layers.0.q_proj", "model.layers.0.down"]


@pytest.mark.parametrize("suffix", ["", ".default"])
def test_weights_are_the_bases_plus_the_scaled_product(tmp_path, suffix):
    tensors = lora(BASE, MODULES, suffix=suffix) | {
        "base_model.model.score.weight": drawn(3, 8),
        "base_model.model.score.bias": drawn(3),
    }
    adapter = saved(tmp_path / "a" / "adapter_model.safetensors", tensors, r=RANK, lora_alpha=10)
    whole = merged(adapter, saved(tmp_path / "base.safetensors", BASE))
    for module in MODULES:
        up, down = (tensors[f"base_model.model.{module}.lora_{side}{suffix}.weight"] for side in "BA")
        expected = BASE[f"{module}.weight"] + 10 / RANK * up @ down
        assert np.allclose(whole.read(f"{module}.weight"), expected, atol=1e-5)
    assert np.array_equal(whole.read("model.norm.weight"), BASE["model.norm.weight"])
    assert np.array_equal(whole.read("score.weight"), tensors["base_model.model.score.weight"])
    assert list(whole.entries) == list(open_model(tmp_path / "base.safetensors").entries)


def test_patterns_and_rank_stabilised_scales(tmp_path):
    tensors = lora(BASE, MODULES)
    config = {"lora_alpha": 10, "use_rslora": True, "alpha_pattern": {"layers.0.down": 3}}
    adapter = saved(tmp_path / "a" / "adapter_model.safetensors", tensors, **config)
    whole = merged(adapter, saved(tmp_path / "base.safetensors", BASE))
    for module, alpha in zip(MODULES, (10, 3), strict=True):
        up, down = (tensors[f"base_model.model.{module}.lora_{side}.weight"] for side in "BA")
        expected = BASE[f"{module}.weight"] + alpha / RANK**0.5 * up @ down
        assert np.allclose(whole.read(f"{module}.weight"), expected, atol=1e-5)


def test_gpt2s_matrices_are_stored_the_other_way_round(tmp_path):
    base = {"h.0.attn.c_attn.weight": drawn(8, 8)}
    tensors = lora(base, ["h.0.attn.c_attn"], prefix="base_model.model.transformer.")
    adapter = saved(tmp_path / "a" / "x.safetensors", tensors, lora_alpha=RANK, fan_in_fan_out=True)
    up, down = (tensors[f"base_model.model.transformer.h.0.attn.c_attn.lora_{side}.weight"] for side in "BA")
    whole = merged(adapter, saved(tmp_path / "base.safetensors", base))
    assert np.allclose(
        whole.read("h.0.attn.c_attn.weight"), base["h.0.attn.c_attn.weight"] + (up @ down).T, atol=1e-5
    )


def test_convolutions_embeddings_and_kohyas_names(tmp_path):
    base = {"down_blocks.0.conv_in.weight": drawn(6, 4, 3, 3), "down_blocks.0.proj.weight": drawn(5, 4)}
    tensors = {
        "lora_unet_down_blocks_0_conv_in.lora_down.weight": drawn(2, 4, 3, 3),
        "lora_unet_down_blocks_0_conv_in.lora_up.weight": drawn(6, 2, 1, 1),
        "lora_unet_down_blocks_0_conv_in.alpha": np.float32(1),
        "lora_unet_down_blocks_0_proj.lora_down.weight": drawn(2, 4),
        "lora_unet_down_blocks_0_proj.lora_up.weight": drawn(5, 2),
    }
    whole = merged(saved(tmp_path / "k.safetensors", tensors), saved(tmp_path / "b.safetensors", base))
    down, up = (tensors[f"lora_unet_down_blocks_0_conv_in.lora_{side}.weight"] for side in ("down", "up"))
    change = np.zeros((6, 4, 3, 3), np.float32)
    for output in range(6):
        for rank in range(2):
            change[output] += up[output, rank, 0, 0] * down[rank]
    expected = base["down_blocks.0.conv_in.weight"] + change / 2
    assert np.allclose(whole.read("down_blocks.0.conv_in.weight"), expected, atol=1e-5)

    table = {"tok.weight": drawn(20, 6)}
    of_table = {
        "base_model.model.tok.lora_embedding_A": drawn(2, 20),
        "base_model.model.tok.lora_embedding_B": drawn(6, 2),
    }
    whole = merged(saved(tmp_path / "e.safetensors", of_table), saved(tmp_path / "t.safetensors", table))
    product = (
        of_table["base_model.model.tok.lora_embedding_B"] @ of_table["base_model.model.tok.lora_embedding_A"]
    )
    assert np.allclose(whole.read("tok.weight"), table["tok.weight"] + product.T, atol=1e-5)


def test_rows_of_given_lengths(tmp_path):
    """DoRA: the merged rows have the magnitudes as their norms."""
    magnitudes = np.linspace(1, 2, 12).astype(np.float32)
    tensors = lora(BASE, MODULES[:1]) | {
        "base_model.model.model.layers.0.q_proj.lora_magnitude_vector": magnitudes
    }
    whole = merged(saved(tmp_path / "d.safetensors", tensors), saved(tmp_path / "b.safetensors", BASE))
    assert np.allclose(
        np.linalg.norm(whole.read("model.layers.0.q_proj.weight"), axis=1), magnitudes, atol=1e-5
    )


def test_a_model_that_holds_its_base_too_is_no_adapter():
    shapes = {name: values.shape for name, values in (BASE | lora(BASE, MODULES, prefix="")).items()}
    assert parts_of(shapes) == []
    assert len(parts_of({name: values.shape for name, values in lora(BASE, MODULES).items()})) == 2


def test_a_base_of_other_shapes_or_names_does_not_fit(tmp_path):
    adapter = saved(tmp_path / "a.safetensors", lora(BASE, MODULES))
    parts = parts_of(shapes_of(adapter))
    shapes = {name: values.shape for name, values in BASE.items()}
    assert fit(parts, shapes)
    assert not fit(parts, shapes | {"model.layers.0.down.weight": (8, 13)})
    assert not fit(parts, {name: shape for name, shape in shapes.items() if "down" not in name})
    with pytest.raises(UserError, match="not all layers"):
        merged(adapter, saved(tmp_path / "b.safetensors", {"w": drawn(4, 4)}))


@pytest.fixture
def folder(tmp_path):
    """Four bases; an adapter of all of p2's hidden layers; a model fine-tuned from the two merged."""
    for name, tensors in ROOTS.items():
        saved(tmp_path / "bases" / f"{name}.safetensors", tensors)
    modules = [
        name.removesuffix(".weight") for name in ROOTS["p2"] if name.startswith("layer") and "weight" in name
    ]
    tensors = {name: 0.3 * values for name, values in lora(ROOTS["p2"], modules).items()}
    adapter = saved(tmp_path / "adapter" / "adapter_model.safetensors", tensors, lora_alpha=RANK)
    whole = merged(adapter, open_model(tmp_path / "bases" / "p2.safetensors"))
    merged_in = {name: whole.read(name) for name in whole.entries}
    saved(tmp_path / "child.safetensors", child_of(merged_in, 5))
    saved(tmp_path / "merged.safetensors", merged_in)
    return tmp_path


def test_an_adapter_alone_names_the_bases_that_fit_and_says_that_weights_say_no_more(folder):
    report = audit(folder / "adapter" / "adapter_model.safetensors", folder / "bases", store_digests=False)
    assert report.verdict == "cannot tell"
    assert report.parent is None
    assert "no more of its base than their names and shapes: it fits p0, p1, p2, p3" in report.reason


def test_a_name_in_a_configuration_is_a_claim(folder):
    config = folder / "adapter" / "adapter_config.json"
    config.write_text(json.dumps({"lora_alpha": RANK, "base_model_name_or_path": "hub/p2"}))
    report = audit(folder / "adapter" / "adapter_model.safetensors", folder / "bases", store_digests=False)
    assert report.verdict == "cannot tell"
    assert "names 'hub/p2', which anyone can write" in report.reason


def test_an_adapter_among_the_candidates_is_merged_with_its_base(folder):
    bases = [folder / "bases" / f"{name}.safetensors" for name in ROOTS]
    adapter = folder / "adapter" / "adapter_model.safetensors"
    same = audit(folder / "merged.safetensors", [*bases, adapter], store_digests=False)
    assert (same.verdict, same.closest) == ("same weights", "adapter_model+p2")
    (folder / "adapter" / "adapter_config.json").write_text(
        json.dumps({"lora_alpha": RANK, "base_model_name_or_path": "someone/p2"})
    )
    tuned = audit(folder / "child.safetensors", [*bases, adapter], store_digests=False)
    assert tuned.closest == "adapter_model"
    assert set(tuned.family) == {"adapter_model", "p2"}


def test_an_adapter_whose_base_lies_in_its_own_folder_is_one_model(folder):
    save_file(ROOTS["p2"], folder / "adapter" / "base.safetensors")
    (folder / "adapter" / "adapter_config.json").write_text(
        json.dumps({"lora_alpha": RANK, "base_model_name_or_path": "base.safetensors"})
    )
    report = audit(folder / "adapter" / "adapter_model.safetensors", folder / "bases", store_digests=False)
    assert report.closest == "p2"
    assert any("merged in memory" in note for note in report.notes)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ("[" * 100_000, "expected JSON"),
        ("[1]", "settings of an adapter"),
        ("{" + " " * 2**21, "has 2,097,153 bytes"),
    ],
)
def test_a_configuration_that_cannot_be_read_is_one_line(tmp_path, config, words):
    adapter = saved(tmp_path / "a" / "adapter_model.safetensors", lora(BASE, MODULES))
    (tmp_path / "a" / "adapter_config.json").write_text(config)
    with pytest.raises(UserError, match=words):
        merged(adapter, saved(tmp_path / "base.safetensors", BASE))


def test_an_adapter_with_a_broken_configuration_is_refused_and_the_audit_goes_on(folder):
    (folder / "adapter" / "adapter_config.json").write_text("{")
    given = [*(folder / "bases" / f"{name}.safetensors" for name in ROOTS), folder / "adapter"]
    report = audit(folder / "child.safetensors", given, store_digests=False)
    assert "p2" in report.family
    assert ["expected JSON" in line for line in report.refused.values()] == [True]
    assert not [found.id for found in report.candidates if "adapter" in found.id]


def test_a_note_says_how_many_bases_an_adapter_was_not_merged_with(folder):
    for number in range(6):
        saved(folder / "bases" / f"q{number}.safetensors", child_of(ROOTS["p0"], number))
    given = [folder / "bases", folder / "adapter"]
    report = audit(folder / "child.safetensors", given, store_digests=False)
    assert sum("adapter_model+" in found.id for found in report.candidates) == 8
    (note,) = [note for note in report.notes if "left out" in note]
    assert "fits 10 candidates" in note
    assert "2 were left out" in note


def test_an_adapter_of_rank_0_is_one_line(tmp_path):
    tensors = {"q.lora_A.weight": drawn(0, 8), "q.lora_B.weight": drawn(12, 0), "k": drawn(2)}
    adapter = saved(tmp_path / "a" / "x.safetensors", tensors, lora_alpha=8)
    with pytest.raises(UserError, match="layer 'q' has rank 0"):
        merged(adapter, saved(tmp_path / "b.safetensors", {"q.weight": drawn(12, 8)}))


def test_a_scale_of_400_digits_is_one_line(tmp_path):
    adapter = saved(tmp_path / "a" / "x.safetensors", lora(BASE, MODULES), lora_alpha=10**400)
    whole = merged(adapter, saved(tmp_path / "b.safetensors", BASE))
    with pytest.raises(UserError, match="a scale that is too large"):
        whole.read(f"{MODULES[0]}.weight")


@pytest.mark.parametrize("name", ["\u6a21" * 200, "a\0b"])
def test_a_base_whose_name_no_file_can_have_is_not_in_the_folder(tmp_path, name):
    adapter = saved(tmp_path / "a" / "x.safetensors", lora(BASE, MODULES), base_model_name_or_path=name)
    assert shipped_base(adapter) is None


def test_a_configuration_that_the_disk_does_not_give_is_one_line(tmp_path, monkeypatch):
    adapter = saved(tmp_path / "a" / "x.safetensors", lora(BASE, MODULES), lora_alpha=1)

    def fails(path):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(Path, "read_bytes", fails)
    with pytest.raises(UserError, match=r"adapter_config\.json: cannot be read: Input/output error"):
        config_beside(adapter)


OTHERS = {
    "OFT": lambda module: {f"{module}.oft_blocks.default.weight": drawn(4, 20, 20)},
    "BOFT": lambda module: {f"{module}.boft_R": drawn(2, 4, 20, 20), f"{module}.boft_s": drawn(80, 1)},
    "VeRA": lambda module: {f"{module}.vera_lambda_b": drawn(80), f"{module}.vera_lambda_d": drawn(4)},
    "LoHa with hada_w1_a": lambda module: {f"{module}.hada_w1_a": drawn(80, 4)},
    "IA3 with ia3_l": lambda module: {f"{module}.ia3_l": drawn(1, 80, 1, 1)},
}  # fmt: skip


@pytest.mark.parametrize("kind", OTHERS)
def test_adapters_that_are_not_merged_are_named_and_leave_no_none_of_these(tmp_path, kind):
    tensors = OTHERS[kind]("base_model.model.layer1") | OTHERS[kind]("base_model.model.layer2")
    (tmp_path / "bases").mkdir()
    save_file(tensors, tmp_path / "bases" / "adapter.safetensors")
    save_file(ROOTS["p1"], tmp_path / "bases" / "p1.safetensors")
    save_file(child_of(ROOTS["p0"], 3), tmp_path / "child.safetensors")
    report = audit(tmp_path / "child.safetensors", tmp_path / "bases", store_digests=False)
    assert report.verdict == "cannot tell"
    assert f"of the kind {kind} alone" in report.refused["adapter"]
    with pytest.raises(UserError, match=f"of the kind {kind} alone") as caught:
        audit(tmp_path / "bases" / "adapter.safetensors", tmp_path / "bases", store_digests=False)
    assert caught.value.exit_code == 5


@pytest.mark.parametrize("kind", OTHERS)
def test_a_model_with_such_adapters_beside_its_layers_is_a_model(tmp_path, kind):
    save_file(child_of(ROOTS["p0"], 3) | OTHERS[kind]("layer1"), tmp_path / "child.safetensors")
    save_file(ROOTS["p0"], tmp_path / "p0.safetensors")
    assert audit(tmp_path / "child.safetensors", tmp_path, store_digests=False).closest == "p0"
