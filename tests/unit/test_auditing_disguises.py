"""Audits of disguised children: what is found, what was undone, and what the weights say as they are."""

import dataclasses
import json

import numpy as np
import pytest
from safetensors.numpy import save_file
from small_networks import OF_P2, ROOTS, child_of, network, save_all
from typer.testing import CliRunner

from lineage import audit
from lineage.auditing.audit import Auditor, audit_sources
from lineage.auditing.report.bundle import write_html
from lineage.auditing.stages.aligning import aligned
from lineage.auditing.stages.aligning.aligned import Aligned
from lineage.auditing.stages.aligning.copies import without_copies
from lineage.auditing.stages.aligning.words import explained
from lineage.auditing.stages.candidates import Relative
from lineage.auditing.stages.verdict import Verdict, Word
from lineage.checkpoints.find import Source
from lineage.cli import app
from lineage.families.networks import network as families_network
from lineage.relation.alignment.align import align
from lineage.relation.alignment.disguises import disguised
from lineage.relation.comparison import Comparison
from lineage.relation.direction.estimate import RESOLUTION
from lineage.relation.scars.scar import Later, Scar, ScarKind


@pytest.fixture
def candidates(tmp_path):
    return save_all(tmp_path / "candidates", ROOTS)


def hidden(tmp_path, state, how="permute,rescale"):
    path = tmp_path / "child.safetensors"
    save_all(tmp_path, {"child": disguised(state, how.split(","), np.random.default_rng(7))})
    return path


def vit(seed):
    net = families_network("vit", width=64, classes=10, seed=seed)
    return {name: values.numpy().copy() for name, values in net.state_dict().items() if values.ndim}


def test_a_disguised_child_has_the_parent_that_it_has_without_the_disguise(tmp_path, candidates):
    child = child_of(ROOTS["p2"], 27)
    save_file(OF_P2, candidates / "sibling.safetensors")
    report = audit(hidden(tmp_path, child), candidates, store_digests=False)
    assert report.verdict is Word.PARENT
    assert set(report.family) == {"p2", "sibling"}
    assert report.parent == "p2"
    assert report.bound == pytest.approx(RESOLUTION)
    assert report.alignment.as_is is Word.NONE
    assert report.alignment.tried == len(ROOTS) + 1
    assert report.alignment.aligned["p2"].undone == ["neurons of 3 layers reordered and rescaled"]
    assert "neurons of 3 layers reordered and rescaled undone" in report.reason
    assert report.decided_by.startswith("rank of its margin among those of independent networks")


@pytest.mark.parametrize(("how", "is_copy"), [("permute", True), ("permute,rescale", False)])
def test_only_a_candidate_whose_scale_was_not_undone_can_be_a_copys_source(
    tmp_path, candidates, how, is_copy
):
    """What rounding explains is small beside the steps of a grid, and a rescaled grid has other steps."""
    child = hidden(tmp_path, child_of(ROOTS["p1"], 11), how)
    sources = [Source(id="p1", path=str(candidates / "p1.safetensors"))]
    found = audit_sources(str(child), sources).aligned.found["p1"]
    scar = Scar(kind=ScarKind.GRID, later=Later.CHILD, evidence="a grid", is_copy=True)
    relative = Relative(found, None, Comparison({}, set(), 0.1, 0.1, list, [scar]), {})
    assert [scar.is_copy for scar in without_copies([relative])[0].comparison.scars] == [is_copy]


def test_without_its_family_a_disguised_child_is_of_none(tmp_path, candidates):
    (candidates / "p1.safetensors").unlink()
    report = audit(hidden(tmp_path, child_of(ROOTS["p1"], 11)), candidates, store_digests=False)
    assert report.verdict is Word.NONE
    assert report.alignment.tried == len(ROOTS) - 1
    assert not report.alignment.aligned


def test_a_candidate_that_does_not_align_is_not_aligned_again_in_a_later_audit(
    tmp_path, candidates, monkeypatch
):
    child = hidden(tmp_path, child_of(ROOTS["p1"], 11))
    sources = [Source(id=name, path=str(candidates / f"{name}.safetensors")) for name in ROOTS]
    others = [source for source in sources if source.id != "p1"]
    tries, auditor = [], Auditor(str(child))
    monkeypatch.setattr(aligned, "align", lambda *given: tries.append(given) or align(*given))
    for among, expected, count in ((sources, "p1", len(ROOTS)), (others, None, len(ROOTS))):
        found = auditor.audit(among)
        assert (found.verdict.closest, found.aligned.tried) == (expected, len(among))
        assert len(tries) == count


def test_a_child_that_is_not_disguised_is_not_aligned(tmp_path, candidates):
    path = tmp_path / "child.safetensors"
    save_file(child_of(ROOTS["p1"], 11), path)
    report = audit(path, candidates, store_digests=False)
    assert report.closest == "p1"
    assert report.alignment is None
    assert "alignment" not in report.to_dict()


def test_a_thinned_child_is_of_its_family(tmp_path, candidates):
    child = hidden(tmp_path, child_of(ROOTS["p2"], 11), "thin,permute")
    report = audit(child, candidates, store_digests=False)
    assert report.closest == "p2"
    assert report.alignment.aligned["p2"].undone == ["neurons of 3 layers thinned and reordered"]


@pytest.mark.parametrize("seed", [0, 1])
def test_a_block_that_was_left_out_is_known_where_every_name_left_is_a_candidates_too(tmp_path, seed):
    """Its two blocks are of one shape, so the child's one block has a namesake, by chance or not."""
    roots = {f"p{number}": vit(number) for number in range(2)}
    folder = save_all(tmp_path / "candidates", roots)
    copy = disguised(child_of(roots["p1"], 11), ["permute", "shorten"], np.random.default_rng(seed))
    save_all(tmp_path, {"child": copy})
    report = audit(tmp_path / "child.safetensors", folder, store_digests=False)
    assert list(report.family) == ["p1"]
    assert report.alignment.aligned["p1"].undone == ["neurons of 1 layer reordered", "1 block left out"]


def test_the_terminal_the_page_and_the_json_say_what_was_undone(tmp_path, candidates):
    child, to = hidden(tmp_path, child_of(ROOTS["p1"], 11)), tmp_path / "report.json"
    command = [
        "audit",
        "--child",
        str(child),
        "--candidates",
        str(candidates),
        "--json",
        str(to),
        "--no-cache",
    ]
    result = CliRunner().invoke(app, command, catch_exceptions=False)
    assert "as the weights are: none of these" in result.output
    assert "aligned: 1 of 4 candidates" in result.output
    stored = json.loads(to.read_text())
    assert stored["alignment"]["aligned"]["p1"]["groups"]["layer1"] == ["reordered", "rescaled"]
    write_html(stored, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    assert "What was undone" in page
    assert "neurons of 3 layers reordered and rescaled" in page


def test_a_child_too_large_to_hold_in_memory_twice_is_judged_as_it_is(tmp_path, candidates, monkeypatch):
    monkeypatch.setattr("lineage.auditing.stages.aligning.aligned.MOST_WEIGHTS", 1000)
    report = audit(hidden(tmp_path, child_of(ROOTS["p1"], 11)), candidates, store_digests=False)
    assert report.verdict is Word.NONE
    assert report.alignment is None


def test_those_with_the_most_tensors_of_the_childs_shapes_are_aligned(tmp_path):
    """The disguised child's parent comes last, behind twenty networks that share one shape with it."""
    folder = tmp_path / "candidates"
    folder.mkdir()
    for number in range(20):
        save_file(network(50 + number, widths=(48, 96, 40, 10)), folder / f"a{number:02}.safetensors")
    save_file(ROOTS["p1"], folder / "p1.safetensors")
    report = audit(hidden(tmp_path, child_of(ROOTS["p1"], 11)), folder, store_digests=False)
    assert list(report.family) == ["p1"]
    assert len(report.candidates) == 21
    (folder / "p1.safetensors").unlink()
    report = audit(tmp_path / "child.safetensors", folder, store_digests=False)
    assert report.verdict is Word.CANNOT_TELL


def test_none_of_these_says_which_candidates_could_not_be_aligned_and_why():
    verdict = Verdict(word=Word.NONE, decided_by="order of neurons", reason="no candidate is alike")
    refused = Aligned(child=None, found={}, tried=0, refused={"a": "head.weight: expected 48 inputs, got 24"})
    assert explained(verdict, refused).reason == (
        "no candidate is alike; 1 could not be aligned, so reordered neurons would hide a relation "
        "(a: head.weight: expected 48 inputs, got 24)"
    )
    tried = dataclasses.replace(refused, tried=2, refused={})
    assert "none of the 2 that were aligned" in explained(verdict, tried).reason
