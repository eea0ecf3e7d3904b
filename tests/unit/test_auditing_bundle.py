"""The evidence of an audit: what it holds, and the command `verify`, which names what differs."""

import json
from pathlib import Path

import pytest
from command_line import run_alone
from safetensors.numpy import load_file, save_file
from small_networks import ROOTS, save_audited

from lineage.auditing.run import audit
from lineage.auditing.verify import differences
from lineage.errors import UserError


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return save_audited(tmp_path_factory.mktemp("audit"))


@pytest.fixture(scope="module")
def bundle(folder) -> Path:
    """The evidence of an audit of the child."""
    done = run_alone("audit", "--child", folder / "child.safetensors", "--candidates", folder / "bases", "--no-cache",
               "--json", folder / "b.json", "--html", folder / "b.html", "--claimed", "p1")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "verdict: parent: p2" in done.stdout
    assert "claimed parent p1: contradicted" in done.stdout
    return folder / "b.json"


def test_a_fresh_bundle_verifies(bundle):
    assert differences(bundle) == []


def test_the_page_is_self_contained_and_says_the_verdict(bundle):
    page = bundle.with_suffix(".html").read_text()
    assert "child.safetensors was fine-tuned from p2" in page
    assert "http:" not in page
    assert "https:" not in page
    assert "<script" not in page


def test_names_in_a_checkpoint_cannot_write_into_the_page(folder, tmp_path):
    from lineage.auditing.report.bundle import write_html

    tensors = {f"<script>alert(1)</script>{name}": values for name, values in ROOTS["p0"].items()}
    save_file(tensors, tmp_path / "evil.safetensors")
    report = audit(str(tmp_path / "evil.safetensors"), str(folder / "bases"), store_digests=False)
    write_html(report.to_dict(), tmp_path / "page.html")
    assert "<script" not in (tmp_path / "page.html").read_text()


def tampered(bundle: Path, edit) -> list[str]:
    report = json.loads(bundle.read_text())
    edit(report)
    copy = bundle.with_name("tampered.json")
    copy.write_text(json.dumps(report))
    return differences(copy)


def test_a_tampered_score_is_named(bundle):
    def edit(report):
        report["candidates"][0]["z"] += 5

    assert [line.split(":")[0] for line in tampered(bundle, edit)] == ["candidates[p2].z"]


def test_a_tampered_verdict_is_named(bundle):
    def edit(report):
        report["verdict"] = "none of these"

    assert tampered(bundle, edit) == ["verdict: the bundle says 'none of these', it is 'parent'"]


def test_a_tampered_version_is_named(bundle):
    def edit(report):
        report["versions"]["numpy"] = "1.0"

    assert [line.split(":")[0] for line in tampered(bundle, edit)] == ["versions.numpy"]


def test_a_changed_input_is_named(bundle, folder):
    path = folder / "bases" / "p3.safetensors"
    tensors = load_file(path)
    save_file(tensors | {"layer0.bias": tensors["layer0.bias"] + 1}, path)
    try:
        assert differences(bundle) == [f"inputs: {path}: its content differs from what was audited"]
    finally:
        save_file(tensors, path)


def test_a_bundle_far_from_its_inputs_says_where_to_verify_it(bundle, tmp_path):
    report = json.loads(bundle.read_text())
    report["inputs"] = dict.fromkeys(("bases/p0.safetensors", "child.safetensors"), "0" * 64)
    (elsewhere := tmp_path / "elsewhere.json").write_text(json.dumps(report))
    with pytest.raises(UserError, match=r"as bases/p0.safetensors, but none is there; .*: verify it there"):
        differences(elsewhere)


def test_verify_exits_with_1_where_something_differs(run, bundle):
    report = json.loads(bundle.read_text())
    report["candidates"][1]["log10_p"] = -40.0
    copy = bundle.with_name("changed.json")
    copy.write_text(json.dumps(report))
    assert run("verify", copy).returncode == 1
    assert run_alone("verify", bundle).returncode == 0


def test_what_is_no_bundle_is_lines(run, tmp_path):
    (tmp_path / "x.json").write_text("[]")
    done = run("verify", tmp_path / "x.json")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1


def test_the_json_has_what_is_promised(bundle):
    report = json.loads(bundle.read_text())
    promised = {
        "verdict",
        "headline",
        "family",
        "closest",
        "copies",
        "relation",
        "bound",
        "probability",
        "parent",
    }
    promised |= {"p_value", "margin", "claimed", "candidates", "layers", "inputs", "versions"}
    assert promised <= report.keys()
    of_candidates = {"relation", "bound", "probability", "log10_p", "reason", "hints"}
    assert all(of_candidates <= candidate.keys() for candidate in report["candidates"])
    assert all(len(digest) == 64 for digest in report["inputs"].values())
    assert len(report["inputs"]) == 6
