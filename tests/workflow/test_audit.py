"""The audit of a table of models: verdicts, and what a new row computes."""

import contextlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from safetensors.numpy import save_file

sys.path.insert(0, str(Path(__file__).parents[1] / "unit"))
from small_networks import ROOTS, child_of, network

pytestmark = pytest.mark.long

TABLE = "config/models.tsv"
HEADER = "id\tpath\tarchitecture\tclaimed_parent\trole\n"


@pytest.fixture(scope="module")
def audited(repository, tmp_path_factory):
    """A checkout with a table of three candidates and two children, audited; a bad row of each kind is there too."""
    folder = tmp_path_factory.mktemp("audited") / "checkout"
    shutil.copytree(repository.folder, folder, symlinks=True)
    checkout = type(repository)(folder)
    models = folder / "models"
    models.mkdir()
    for name in ("p0", "p1", "p2", "p3"):
        save_file(ROOTS[name], models / f"{name}.safetensors")
    save_file(child_of(ROOTS["p1"], 9), models / "c1.safetensors")
    save_file(network(99), models / "stranger.safetensors")
    (models / "broken.safetensors").write_text("<html>")
    rows = [f"{name}\t../models/{name}.safetensors\t\t\tcandidate\n" for name in ("p0", "p1", "p2")]
    rows += [
        "c1\t../models/c1.safetensors\t\tp0\tchild\n",
        "stranger\t../models/stranger.safetensors\t\t\tchild\n",
        "lost\t../models/lost.safetensors\t\tp1\tchild\n",
        "broken\t../models/broken.safetensors\t\t\tcandidate\n",
    ]
    (folder / TABLE).write_text(HEADER + "".join(rows))
    code, output = checkout.snakemake("-s", "audit.smk", "--cores", "2", timeout=240)
    assert code == 0, output
    return checkout


def jobs(checkout) -> set[str]:
    code, output = checkout.dry_run("-s", "audit.smk", "--quiet", "host", "reason")
    assert code == 0, output
    named = re.findall(
        r"^(?:local)?rule (\w+):\n(?:(?: {4}.*\n)*? {4}wildcards: \w+=(\S+))?", output, re.MULTILINE
    )
    return {" ".join(filter(None, job)) for job in named} - {"all"}


def test_the_table_of_verdicts_names_families_strangers_and_contradicted_claims(audited):
    table = pd.read_csv(audited.folder / "results" / "audit" / "summary.tsv", sep="\t").set_index("child")
    assert list(table["verdict"]) == ["same family", "cannot tell", "cannot tell"]
    assert table.loc["c1", "closest"] == table.loc["c1", "family"] == "p1"
    assert table.loc["c1", "claim"] == "contradicted"
    assert (audited.folder / "results" / "audit" / "children" / "c1.html").stat().st_size > 3000


def test_a_row_that_cannot_be_read_is_named_and_the_others_are_audited(audited):
    table = pd.read_csv(audited.folder / "results" / "audit" / "summary.tsv", sep="\t").set_index("child")
    assert "found no such file" in table.loc["lost", "reason"]
    assert "broken could not be read or tested" in table.loc["stranger", "reason"]
    assert (
        "found no such file" in (audited.folder / "results" / "audit" / "children" / "lost.html").read_text()
    )


def test_the_closing_lines_tell_each_childs_answers_and_where_they_stand(audited):
    done = subprocess.run(
        [sys.executable, "-m", "lineage", "verdicts"],
        cwd=audited.folder,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert "c1: same family; family: 1 candidate; closest: p1; relation: undetermined" in done.stdout
    assert "lost: cannot tell: " in done.stdout
    assert "summary: results/audit/summary.tsv" in done.stdout.splitlines()


def test_a_file_that_appears_is_audited(audited):
    path = audited.folder / "models" / "lost.safetensors"
    save_file(child_of(ROOTS["p2"], 27), path)
    try:
        assert jobs(audited) == {"audit_pairs lost", "audit_pairs broken", "audit_child lost", "audit_page lost",
                                 "audit_summary"} | VERDICTS  # fmt: skip
    finally:
        path.unlink()


CHILDREN = ("c1", "stranger", "lost")
PAGES = {f"audit_page {child}" for child in CHILDREN}
VERDICTS = {f"audit_child {child}" for child in CHILDREN} | {"audit_summary"} | PAGES
PAIRS = {f"audit_pairs {row}" for row in (*CHILDREN, "broken")}
CODE_EDITS = {
    "a verdict's rule": ("lineage/auditing/stages/verdict.py", VERDICTS),
    "the comparison of two models": ("lineage/relation/direction/estimate.py", VERDICTS),
    "the page of one child": ("lineage/auditing/report/build.py", VERDICTS),
    "the table of all children": ("lineage/auditing/report/summary.py", {"audit_summary"}),
    "a checkpoint format": ("lineage/checkpoints/formats/npz.py", PAIRS | VERDICTS),
    "the test of a pair": ("lineage/relation/permutation_test.py", PAIRS | VERDICTS),
}


@pytest.mark.parametrize(("file", "expected"), CODE_EDITS.values(), ids=CODE_EDITS.keys())
def test_edit_of_code_audits_again_only_what_reaches_it(audited, file, expected):
    with audited.edited(file, lambda text: f"{text}\n\nEDITED = True\n"):
        assert jobs(audited) == expected


def test_nothing_is_to_be_done_twice_nor_after_edits_of_code_that_audits_do_not_reach(audited):
    """The device of a job, the detector's network and a similarity."""
    with contextlib.ExitStack() as edits:
        for module in ("jobs/device", "detector/model", "similarity/measures"):
            edits.enter_context(
                audited.edited(f"lineage/{module}.py", lambda text: f"{text}\n\nEDITED = True\n")
            )
        assert jobs(audited) == set()


def test_edit_of_the_pages_template_writes_the_pages_alone(audited):
    template = "lineage/auditing/report/page.html.j2"
    with audited.edited(template, lambda text: text.replace("</body>", "<!-- edited --></body>")):
        assert jobs(audited) == PAGES


@pytest.mark.parametrize(("row", "expected"), [
    ("p3\t../models/p3.safetensors\t\t\tcandidate\n",
     {"audit_pairs p3"} | VERDICTS),
    ("c2\t../models/c1.safetensors\t\t\tchild\n",
     {"audit_pairs c2", "audit_child c2", "audit_page c2", "audit_summary"}),
], ids=["candidate", "child"])  # fmt: skip
def test_a_new_row_computes_its_own_pairs_alone(audited, row, expected):
    with audited.edited(TABLE, lambda text: text + row):
        assert jobs(audited) == expected


def test_a_mistake_in_the_table_is_one_line(audited):
    with audited.edited(TABLE, lambda text: text + "p0\t../models/p0.safetensors\t\t\tuncle\n"):
        code, output = audited.dry_run("-s", "audit.smk")
    assert code != 0
    assert "models.tsv, line 9: role: expected one of candidate, child, unrelated, got 'uncle'" in output
    assert "Traceback" not in output
