"""What an audit says of files in a folder that are no candidates, and of candidates that are copies."""

import json
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from small_networks import OF_P2, ROOTS, child_of

from lineage.auditing.report.terminal import print_report
from lineage.auditing.run import audit
from lineage.checkpoints.folders import HIDDEN, NO_MODEL, TWICE, TWICE_BELOW, models_in_folder
from lineage.errors import UserError
from lineage.genealogy.run import tree
from lineage.genealogy.terminal import print_tree


def saved(path, tensors=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors or ROOTS["p0"], path)


def link(path):
    saved(path)
    path.with_name("link.bin").symlink_to(path.name)


def link_below(folder, name):
    saved(folder / "run-1" / "m.safetensors")
    (folder / name).symlink_to(".")


KINDS = {
    "a hidden file": (lambda folder: saved(folder / ".m.safetensors"), ".m.safetensors", HIDDEN),
    "a checkpoint of notebooks": (
        lambda folder: saved(folder / ".ipynb_checkpoints" / "m.pt"), ".ipynb_checkpoints/m.pt", HIDDEN),
    "macOS' copy": (lambda folder: saved(folder / "__MACOSX" / "m.pt"), "__MACOSX/m.pt", HIDDEN),
    "a text": (lambda folder: (folder / "README.md").write_text("# A model"), "README.md", NO_MODEL),
    "a configuration": (lambda folder: (folder / "config.json").write_text("{}"), "config.json", NO_MODEL),
    "an empty file": (lambda folder: (folder / "weights").touch(), "weights", NO_MODEL),
    "a link": (lambda folder: link(folder / "m.safetensors"), "link.bin", TWICE),
    "a link in circles": (lambda folder: link_below(folder, "up"), "up", TWICE_BELOW),
    "a hidden link": (lambda folder: link_below(folder, ".up"), ".up", HIDDEN),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_each_file_of_a_folder_is_a_model_or_passed_over_for_a_reason(tmp_path, kind):
    make, name, reason = KINDS[kind]
    saved(tmp_path / "p1.safetensors", ROOTS["p1"])
    make(tmp_path)
    assert models_in_folder(tmp_path).passed_over == {tmp_path / name: reason}


def packed_zip(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("m.safetensors", b"x")


def packed_tar(path):
    with tarfile.open(path, "w:gz") as archive:
        archive.add(__file__, "m.pt")


ARCHIVES = {
    "m.zip": packed_zip,
    "m.tar.gz": packed_tar,
    "m": packed_tar,
    "m.mlmodel": lambda path: path.write_text("x"),
}


@pytest.mark.parametrize("name", ARCHIVES)
def test_none_of_these_is_not_said_beside_what_may_hold_the_parent(tmp_path, name):
    saved(tmp_path / "bases" / "p1.safetensors", ROOTS["p1"])
    ARCHIVES[name](tmp_path / "bases" / name)
    saved(tmp_path / "child.safetensors", child_of(ROOTS["p0"], 5))
    report = audit(tmp_path / "child.safetensors", tmp_path / "bases", store_digests=False)
    assert report.verdict == "cannot tell"
    assert [Path(line.split(":")[0]).name for line in report.refused.values()] == [name]


@pytest.fixture
def linked(tmp_path):
    """A folder with an unrelated network and a link to a folder elsewhere, from where links lead on and back."""
    saved(tmp_path / "bases" / "p1.safetensors", ROOTS["p1"])
    saved(tmp_path / "elsewhere" / "deep" / "p0.safetensors", ROOTS["p0"])
    (tmp_path / "bases" / "link").symlink_to("../elsewhere")
    for name, to in {"back": "../../bases", "round": "..", "again": "../../elsewhere/deep"}.items():
        (tmp_path / "elsewhere" / "deep" / name).symlink_to(to)
    saved(tmp_path / "child.safetensors", child_of(ROOTS["p0"], 27))
    return tmp_path


def test_none_of_these_is_not_said_beside_a_link_to_a_folder_that_is_not_followed(linked):
    report = audit(linked / "child.safetensors", linked / "bases", store_digests=False)
    assert (report.verdict, list(report.refused)) == ("cannot tell", ["link"])
    assert "is a link that leads out of" in report.refused["link"]
    assert "give that folder itself, or --follow-links" in report.refused["link"]


def test_links_to_folders_are_followed_where_that_is_wanted_and_read_each_model_once(linked):
    report = audit(linked / "child.safetensors", linked / "bases", follow_links=True, store_digests=False)
    assert (report.closest, report.refused) == ("link/deep/p0", {})
    assert {candidate.id for candidate in report.candidates} == {"p1", "link/deep/p0"}
    grown = tree(linked / "bases", follow_links=True, store_digests=False)
    assert {node.id for node in grown.nodes} == {"p1", "link/deep/p0"}


def orbax(folder, with_tree):
    """As Orbax lays its folder out, without what is in the arrays."""
    for name in ("manifest.ocdbt", "ocdbt.process_0/manifest.ocdbt"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"\x0c\xdb\x3a\x2a" + bytes(200))
    (folder / "d").mkdir()
    (folder / "d" / "0a1b").write_bytes(bytes(100))
    (folder / "_sharding").write_text("{}")
    if with_tree:
        (folder / "_METADATA").write_text(
            '{"tree_metadata": {"(\'params\', \'kernel\')": {}}, "use_zarr3": false}'
        )


@pytest.mark.parametrize("with_tree", [True, False])
def test_a_folder_of_orbax_is_refused_once_and_says_what_to_do(tmp_path, with_tree):
    saved(tmp_path / "bases" / "p1.safetensors", ROOTS["p1"])
    orbax(tmp_path / "bases" / "100" / "default", with_tree)
    saved(tmp_path / "child.safetensors", child_of(ROOTS["p0"], 5))
    report = audit(tmp_path / "child.safetensors", tmp_path / "bases", store_digests=False)
    assert report.verdict == "cannot tell"
    assert ["restore it with Orbax" in line for line in report.refused.values()] == [True]
    assert not report.passed_over
    with pytest.raises(UserError, match="of a checkpoint of Orbax") as caught:
        audit(
            tmp_path / "bases" / "100" / "default" / "manifest.ocdbt", tmp_path / "bases", store_digests=False
        )
    assert caught.value.exit_code == 5


def test_weights_beside_an_export_of_the_same_name_are_a_model_too(tmp_path):
    torch.save({"a.weight": torch.ones(3, 4)}, tmp_path / "model.bin")
    (tmp_path / "model.onnx").write_bytes(b"\x08\x07")
    assert [path.name for path in models_in_folder(tmp_path).models] == ["model.bin", "model.onnx"]


def test_the_report_says_once_what_was_passed_over_and_what_is_the_same(tmp_path, capsys):
    bases = tmp_path / "bases"
    for name in ("a.safetensors", "deep/b.safetensors"):
        saved(bases / name, ROOTS["p2"])
    np.savez(bases / "c.npz", **{f"module.{name}": values for name, values in ROOTS["p2"].items()})
    saved(bases / "p1.safetensors", ROOTS["p1"])
    saved(bases / "sibling.safetensors", OF_P2)
    for number in range(5):
        (bases / f"note{number}.txt").write_text("x")
    saved(tmp_path / "child.safetensors", child_of(ROOTS["p2"], 5))
    report = audit(tmp_path / "child.safetensors", bases, store_digests=False)
    print_report(report)
    said = capsys.readouterr().out
    assert "passed over: 5 files, of no format that is known: note0.txt, note1.txt, note2.txt, ..." in said
    assert "the same tensors, listed once: a, c, deep/b" in said
    assert said.count("deep/b") == said.count("(c, deep/b are copies of it)") + 2
    plain = json.loads(json.dumps(report.to_dict()))
    assert plain["duplicates"] == [["a", "c", "deep/b"]]
    assert plain["passed_over"][0]["count"] == 5
    assert len(plain["passed_over"][0]["files"]) == 5


def test_a_tree_says_what_it_passed_over_as_an_audit_does(tmp_path, capsys):
    zoo = tmp_path / "zoo"
    for name in ("p0", "p1"):
        saved(zoo / f"{name}.safetensors", ROOTS[name])
    for name in (".hidden.safetensors", *(f"note{number}.txt" for number in range(5))):
        (zoo / name).write_text("x")
    saved(tmp_path / "child.safetensors", child_of(ROOTS["p0"], 5))
    report = audit(tmp_path / "child.safetensors", zoo, store_digests=False)
    found = tree(zoo, store_digests=False)
    assert json.loads(json.dumps(found.to_dict()))["passed_over"] == json.loads(
        json.dumps(report.to_dict()["passed_over"])
    )
    assert [(files.reason, files.count) for files in found.passed_over] == [(HIDDEN, 1), (NO_MODEL, 5)]
    print_tree(found)
    said = capsys.readouterr().out
    assert "passed over: 1 file, hidden: .hidden.safetensors\n" in said
    assert "passed over: 5 files, of no format that is known: note0.txt, note1.txt, note2.txt, ..." in said
