"""Networks of which a part cannot be read: what is not read may be what they share."""

import json

import numpy as np
import onnx
import pytest
import torch
from coreml_writer import Program
from onnx import helper, numpy_helper
from safetensors.numpy import save_file
from small_networks import child_of, network, save_all
from typer.testing import CliRunner

from lineage.auditing.run import audit
from lineage.auditing.stages.verdict import EXIT_CODES
from lineage.cli import app

WIDTHS = (48, 96, 80, 64, 72, 56, 10)
ROOTS = {f"p{seed}": network(seed, widths=WIDTHS) for seed in range(3)}
TAKEN = ("layer2", "layer3", "layer4")
"""Layers that the child took from p1, and that its files hold in a way that is not read; the others are its own."""


@pytest.fixture
def bases(tmp_path):
    return save_all(tmp_path / "bases", ROOTS)


def parts(taken=TAKEN):
    """The child's tensors that are its own, and the kernels that it took."""
    child = child_of(ROOTS["p1"], 7)
    own = network(9, widths=WIDTHS) | {name: child[name] for name in child if name.startswith(taken)}
    matrices = {f"{layer}.weight" for layer in taken}
    return {name: own[name] for name in own if name not in matrices}, {name: own[name] for name in matrices}


def rounded(values: np.ndarray) -> np.ndarray:
    return np.round(values / np.abs(values).max() * 127).astype(np.int8)


def without_scales(own, taken, folder):
    save_file(own | {name: rounded(values) for name, values in taken.items()}, folder / "m.safetensors")
    return folder / "m.safetensors"


def halves_in_bytes(own, taken, folder):
    """Two numbers of 4 bits to a byte, as HQQ packs them; nothing in the name says weights."""
    stored = {
        name.replace("weight", "W_q"): rounded(values).view(np.uint8)[::2] for name, values in taken.items()
    }
    save_file(own | stored, folder / "m.safetensors")
    return folder / "m.safetensors"


def packed_without_scales(own, taken, folder):
    """Eight numbers to an integer, as GPTQ packs them."""
    stored = {
        name.replace("weight", "qweight"): np.zeros((values.shape[1] // 8, len(values)), np.int32)
        for name, values in taken.items()
    }
    save_file(own | stored, folder / "m.safetensors")
    return folder / "m.safetensors"


def woven(own, taken, folder):
    """Convolutions as ONNX Runtime stores them for one processor."""
    nodes = [
        helper.make_node("Conv", ["x", name], [f"{name}.y"], domain="com.microsoft.nchwc") for name in taken
    ]
    tensors = [numpy_helper.from_array(values, name) for name, values in (own | taken).items()]
    graph = helper.make_graph(nodes, "g", [], [], initializer=tensors)
    onnx.save(helper.make_model(graph), folder / "m.onnx")
    return folder / "m.onnx"


def thinned(own, taken, folder):
    program = Program(folder / "m.mlmodel")
    for name, values in own.items():
        program.constant(name.replace(".", "_"), values)
    for name, values in taken.items():
        data = program.stored(values.astype(np.float16))
        program.operation(
            "constexpr_sparse_to_dense", name.replace(".", "_"), "float16", values.shape, nonzero_data=data
        )
    return program.saved()


@pytest.mark.parametrize("write", [without_scales, halves_in_bytes, packed_without_scales, woven, thinned])
def test_a_child_of_which_much_is_left_out_is_not_cleared(write, bases, tmp_path):
    report = audit(write(*parts(), tmp_path), bases)
    assert report.verdict == "cannot tell"
    assert EXIT_CODES[report.verdict] == 4
    assert "layer2" in report.reason
    assert "layer4" in report.reason
    assert "scales" in report.helps[0]


@pytest.mark.parametrize("write", [without_scales, halves_in_bytes, woven])
def test_nor_is_a_candidate_beside_a_stranger(write, bases, tmp_path):
    partly = write(*parts(), bases).rename(bases / "partly")
    save_file(network(20, widths=WIDTHS), tmp_path / "stranger.safetensors")
    report = audit(tmp_path / "stranger.safetensors", bases)
    assert report.verdict == "cannot tell"
    assert partly.stem in report.reason


@pytest.mark.parametrize("write", [without_scales, halves_in_bytes])
def test_a_parent_is_named_whatever_is_left_out(write, bases, tmp_path):
    child = child_of(ROOTS["p1"], 7)
    left_out = {"layer4.weight": child.pop("layer4.weight")}
    save_file(child_of(ROOTS["p1"], 8, strength=2.0), bases / "sibling.safetensors")
    report = audit(write(child, left_out, tmp_path), bases)
    assert (report.verdict, report.parent) == ("parent", "p1")


BESIDE = {
    "head.weight": rounded(ROOTS["p0"]["head.weight"]),
    "mask": np.ones((1, 1, 512, 512), np.uint8),
    "relative_position_index": np.zeros((400, 400), np.int64),
    "table": np.zeros((8, 8), np.uint8),
    "anchors": np.zeros((300, 4), np.int32),
}
"""What may be left out without a word on the verdict: a head, masks and places, and what is small beside the rest."""


@pytest.mark.parametrize("name", BESIDE)
def test_a_head_constants_and_a_small_part_hinder_no_verdict(name, bases, tmp_path):
    save_file(network(9, widths=WIDTHS) | {name: BESIDE[name]}, tmp_path / "m.safetensors")
    assert audit(tmp_path / "m.safetensors", bases).verdict == "none of these"
    save_file(network(10, widths=WIDTHS) | {name: BESIDE[name]}, bases / "p9.safetensors")
    assert audit(tmp_path / "m.safetensors", bases).verdict == "none of these"


def test_nor_does_what_a_training_left_beside_a_model(bases, tmp_path):
    model = {name: torch.tensor(values) for name, values in network(9, widths=WIDTHS).items()}
    beside = {
        "rng_state": torch.zeros(5000, dtype=torch.uint8),
        "seen": torch.zeros(900, 900, dtype=torch.uint8),
    }
    torch.save({"state_dict": model, "trainer": beside}, tmp_path / "m.pt")
    assert audit(tmp_path / "m.pt", bases).verdict == "none of these"


def test_the_digest_that_is_stored_knows_what_was_left_out(bases, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = without_scales(*parts(), tmp_path)
    first, again = audit(path, bases), audit(path, bases)
    assert first.reason == again.reason
    assert list(first.child.left_out) == list(again.child.left_out)
    assert len(again.child.left_out) == len(TAKEN)


def test_a_tree_names_models_that_were_read_in_part_and_contradicts_no_claim_on_them(bases, tmp_path):
    partly = halves_in_bytes(*parts(), tmp_path).rename(bases / "partly.safetensors")
    save_file(network(20, widths=WIDTHS), bases / "stranger.safetensors")
    rows = [("p1", bases / "p1.safetensors", ""), ("partly", partly, "p1")]
    rows += [("stranger", bases / "stranger.safetensors", "p1")]
    table = tmp_path / "models.tsv"
    table.write_text(
        "id\tpath\trole\tclaimed_parent\n" + "".join(f"{a}\t{b}\tchild\t{c}\n" for a, b, c in rows)
    )
    answer = CliRunner().invoke(app, ["tree", str(table), "--json", str(tmp_path / "tree.json")])
    assert answer.exit_code == 0
    found = json.loads((tmp_path / "tree.json").read_text())
    unread = {node["id"]: node["unread"] for node in found["nodes"]}
    own = sum(ROOTS["p1"][f"{layer}.weight"].size for layer in TAKEN)
    of_all = sum(
        values.size for name, values in ROOTS["p1"].items() if values.ndim > 1 and "head" not in name
    )
    assert unread == {"p1": 0, "partly": pytest.approx(own / of_all, rel=0.01), "stranger": 0}
    assert f"read in part: partly: up to {unread['partly']:.0%}" in answer.output
    assert [claim["state"] for claim in found["claims"]] == ["undetermined", "contradicted"]
