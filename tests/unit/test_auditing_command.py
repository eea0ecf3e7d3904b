"""The commands `audit` and `verify`: exit codes, one line for every mistake, bundles that can be checked again."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from small_networks import OF_P2, ROOTS, child_of, network

from lineage.auditing.run import audit
from lineage.auditing.stages.verdict import EXIT_CODES, Word
from lineage.auditing.verify import differences
from lineage.cli import main
from lineage.errors import UserError

ROOT = Path(__file__).parents[2]


ENVIRONMENT = {"COLUMNS": "200", "XDG_CACHE_HOME": os.devnull + "/none"}


def run_alone(*arguments: str | Path) -> subprocess.CompletedProcess:
    """A command in a process of its own, as users run it."""
    return subprocess.run(
        [sys.executable, "-m", "lineage", *map(str, arguments)],
        cwd=ROOT,
        env=os.environ | ENVIRONMENT | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.fixture
def run(monkeypatch, capsys) -> Callable[..., subprocess.CompletedProcess]:
    """A command in this process, which has imported all that it needs: what it ends with and says."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)

    def ran(*arguments: str | Path) -> subprocess.CompletedProcess:
        monkeypatch.setattr(sys, "argv", ["lineage", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return subprocess.CompletedProcess(sys.argv, ended.value.code or 0, said.out, said.err)

    return ran


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Four roots in `bases`, a child of p2, and an independent network."""
    folder = tmp_path_factory.mktemp("audit")
    (folder / "bases").mkdir()
    for name, tensors in (ROOTS | {"sibling": OF_P2}).items():
        save_file(tensors, folder / "bases" / f"{name}.safetensors")
    save_file(child_of(ROOTS["p2"], 27), folder / "child.safetensors")
    save_file(network(99), folder / "stranger.safetensors")
    save_file(network(1, widths=(30, 50, 40, 10)), folder / "other-shapes.safetensors")
    return folder


@pytest.fixture(scope="module")
def bundle(folder) -> Path:
    """The evidence of an audit of the child."""
    done = run_alone("audit", "--child", folder / "child.safetensors", "--candidates", folder / "bases", "--no-cache",
               "--json", folder / "b.json", "--html", folder / "b.html", "--claimed", "p1")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "verdict: parent: p2" in done.stdout
    assert "claimed parent p1: contradicted" in done.stdout
    return folder / "b.json"


@pytest.mark.parametrize(("child", "code", "word"), [
    ("child", 0, "parent"), ("stranger", 3, "none of these"), ("other-shapes", 4, "cannot tell"),
])  # fmt: skip
def test_the_exit_code_tells_the_verdict(run, folder, child, code, word):
    done = run(
        "audit", "--child", folder / f"{child}.safetensors", "--candidates", folder / "bases", "--no-cache"
    )  # fmt: skip
    assert done.returncode == code == EXIT_CODES[word]
    assert f"verdict: {word}" in done.stdout


def test_only_a_named_parent_or_the_same_weights_end_with_0():
    assert EXIT_CODES == {
        Word.SAME: 0, Word.PARENT: 0, Word.FAMILY: 6, Word.NONE: 3, Word.CANNOT_TELL: 4
    }  # fmt: skip


def test_a_relative_that_is_no_parent_ends_with_6_and_is_named(run, folder, tmp_path):
    save_file(child_of(child_of(ROOTS["p2"], 27), 10), tmp_path / "grandchild.safetensors")
    done = run("audit", "--child", folder / "child.safetensors", "--candidates", tmp_path, "--no-cache")
    assert done.returncode == 6 == EXIT_CODES["same family"]
    assert "closest: grandchild" in done.stdout
    assert "verdict: same family" in done.stdout


def test_networks_too_narrow_for_a_direction_are_told_so_everywhere(run, tmp_path):
    root = network(5, widths=(48, 24, 28, 24, 24, 10))
    for name, tensors in {"root": root, "child": child_of(root, 1)}.items():
        save_file(tensors, tmp_path / f"{name}.safetensors")
    done = run("audit", "--child", tmp_path / "child.safetensors", "--candidates", tmp_path / "root.safetensors",
               "--no-cache", "--json", tmp_path / "a.json", "--html", tmp_path / "a.html")  # fmt: skip
    assert done.returncode == 6
    said = "the matrices that differ have fewer than 32 rows or columns"
    texts = [
        done.stdout,
        (tmp_path / "a.html").read_text(),
        json.loads((tmp_path / "a.json").read_text())["reason"],
    ]
    assert all(said in text for text in texts)
    assert "would help" not in done.stdout


def test_a_pattern_that_the_shell_has_spelt_out_is_one_line_that_says_to_quote_it(run, folder):
    files = sorted((folder / "bases").iterdir())
    done = run("audit", "--child", folder / "child.safetensors", "--candidates", *files)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "put a pattern in quotes" in done.stderr
    assert str(files[1]) in done.stderr


def test_none_of_these_is_said_only_where_every_candidate_was_tested(run, folder, tmp_path):
    save_file(ROOTS["p0"], tmp_path / "p0.safetensors")
    save_file(network(1, widths=(30, 50, 40, 10)), tmp_path / "foreign.safetensors")
    (tmp_path / "broken.safetensors").write_text("<html>")
    done = run("audit", "--child", folder / "stranger.safetensors", "--candidates", tmp_path, "--no-cache")
    assert done.returncode == 4
    assert (
        "no candidate that was tested is related, but broken, foreign could not be read or tested"
        in done.stdout
    )


def test_an_unknown_claim_is_one_line_that_names_ids_spelt_almost_alike(run, folder):
    done = run(
        "audit", "--child", folder / "child.safetensors", "--candidates", folder / "bases", "--claimed", "p22"
    )
    assert done.returncode == 2
    assert done.stderr == "error: claimed: expected the id of a candidate, got 'p22'; did you mean p2?\n"


def test_a_file_without_permission_is_refused(folder, tmp_path):
    path = tmp_path / "secret.safetensors"
    save_file({"w": np.ones((20, 20), np.float32)}, path)
    path.chmod(0)
    look = "from lineage.checkpoints.read import open_model; open_model(sys.argv[1])"
    drop = "import os, sys; os.geteuid() or os.seteuid(65534)"
    tmp_path.chmod(0o755)
    for parent in tmp_path.parents:
        if parent.owner() != "root" or parent.stat().st_mode & 0o005 != 0o005:
            parent.chmod(0o755)
        if parent.name.startswith("pytest-of"):
            break
    imports = "import lineage.checkpoints.read, lineage.checkpoints.formats.safetensors"
    done = subprocess.run([sys.executable, "-c", f"{imports}\n{drop}\n{look}", path],
                          cwd=ROOT, capture_output=True, text=True, timeout=60)  # fmt: skip
    assert "UserError" in done.stderr
    assert "permission denied" in done.stderr.lower()


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


def test_peak_memory_does_not_grow_with_the_number_of_candidates(tmp_path):
    """Sixteen candidates of 8 MB take no more memory than three, but for some of the small digests."""

    def peak(count: int) -> int:
        many = tmp_path / str(count)
        many.mkdir()
        for number in range(count):
            save_file(network(number, widths=(1000, 1000, 1000, 10)), many / f"{number}.safetensors")
        code = (
            "import resource, sys\nfrom lineage.auditing.run import audit\n"
            f"audit({str(many / '0.safetensors')!r}, {str(many)!r}, store_digests=False)\n"
            "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
        )
        return int(subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True,
                                  timeout=120, check=True).stdout)  # fmt: skip

    few, many = peak(3), peak(16)
    assert many < few + 28_000


def test_a_known_architecture_ranks_candidates_on_a_probe_as_score_pair_does(tmp_path):
    import torch
    from safetensors.torch import save_file as save

    from lineage import score_pair
    from lineage.networks.architectures import build

    torch.manual_seed(0)
    (tmp_path / "bases").mkdir()
    networks = [build("fc", classes=10, channels=1, image_size=8, seed=seed) for seed in range(3)]
    for number, candidate in enumerate(networks):
        save(candidate.state_dict(), tmp_path / "bases" / f"p{number}.safetensors")
    child = build("fc", classes=4, channels=1, image_size=8, seed=9)
    changed = {name: value + 0.3 * value.std() * torch.randn_like(value) if "head" not in name
               else child.state_dict()[name] for name, value in networks[1].state_dict().items()}  # fmt: skip
    child.load_state_dict(changed)
    save({f"module.{name}": value for name, value in changed.items()}, tmp_path / "child.safetensors")
    report = audit(str(tmp_path / "child.safetensors"), str(tmp_path / "bases"), arch="fc", image_size=8,
                       channels=1, store_digests=False)  # fmt: skip
    assert report.probe.best == "p1"
    assert report.probe.agrees
    from lineage.auditing.probing import Prober

    inputs = Prober("fc", "noise", image_size=8, channels=1)._inputs
    expected = score_pair(
        networks[1], child, inputs, approximations=["path"], alphas=[0.5], similarities=["cosine"]
    )
    assert report.probe.scores["p1"] == pytest.approx(expected["score"].mean(), abs=1e-6)


def test_a_wrong_architecture_is_lines(run, folder):
    done = run("audit", "--child", folder / "child.safetensors", "--candidates", folder / "bases", "--no-cache",
               "--arch", "fc", "--channels", "1", "--image-size", "28")  # fmt: skip
    assert done.returncode == 2
    assert "expected the tensors of fc" in done.stderr


def test_an_unknown_architecture_is_refused_before_any_checkpoint_is_read(folder):
    with pytest.raises(UserError, match=r"^arch: expected one of fc, .*, but got 'nosuch'$"):
        audit(folder / "absent.safetensors", folder / "absent", arch="nosuch")
