"""The command `audit`: exit codes, one line for every mistake, and memory."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from command_line import ROOT
from safetensors.numpy import save_file
from small_networks import ROOTS, child_of, network, save_all, save_audited

from lineage.auditing.stages.verdict import EXIT_CODES, Word


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return save_audited(tmp_path_factory.mktemp("audit"))


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
    save_all(tmp_path, {"root": root, "child": child_of(root, 1)})
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
