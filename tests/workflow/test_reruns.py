"""After an edit, exactly the jobs that it concerns run again: a table of edits and jobs."""

import os
import random

import pytest

pytestmark = pytest.mark.long

SHOWN = {"report", "figures"}
TABLES = {"evaluate", "summarise", "tables", *SHOWN}
SIMILARITIES = {"similarity full/p0/0", "similarity full/p1/0"}
DETECTOR = {"detector full/both/0"}


def of_block(parent: str, block: int) -> set[str]:
    """Jobs of one block of one parent's children."""
    return {f"{rule} full/{parent}/{block}" for rule in ("finetune", "features", "similarity")}


COMPUTED = {"pretrain p0", "pretrain p1", "root_features", *of_block("p0", 0), *of_block("p1", 0), *DETECTOR}
"""Jobs of PyTorch: all but the probe's, and those of the tables."""


def children(**counts: int):
    def edit(experiment):
        experiment["settings"]["full"]["children"] |= counts

    return edit


def set_in(part: str, **values):
    def edit(experiment):
        experiment[part] |= values

    return edit


CONFIGURATION_EDITS = {
    "one similarity added": (
        set_in("similarity", similarities=["l1", "cka", "l2"]),
        SIMILARITIES | TABLES,
    ),
    "one alpha added": (
        set_in("similarity", alphas=[0.25, 0.5, 0.75]),
        SIMILARITIES | TABLES,
    ),
    "candidates aligned": (
        set_in("similarity", align=True),
        SIMILARITIES | TABLES,
    ),
    "a detector of aligned candidates": (
        set_in("detector", align=True),
        {"path_features full/p0/0", "path_features full/p1/0"} | DETECTOR | TABLES,
    ),
    "a mixed detector": (
        set_in("detector", mixed=True),
        {"mixed_detector 0"} | TABLES,
    ),
    "audits and the family tree": (
        lambda experiment: experiment.update(audit=True, tree=True),
        {"audits full", "family_tree"} | TABLES,
    ),
    "one child appended to one parent": (
        children(p0=4),
        of_block("p0", 0) | DETECTOR | TABLES,
    ),
    "children appended beyond a full block": (
        children(p1=6),
        of_block("p1", 1) | DETECTOR | TABLES,
    ),
    "children appended beyond two full blocks": (
        children(p1=9),
        of_block("p1", 1) | of_block("p1", 2) | DETECTOR | TABLES,
    ),
    "one parent added": (
        set_in("roots", count=3),
        {"pretrain p2", "root_features"} | of_block("p2", 0) | SIMILARITIES | DETECTOR | TABLES,
    ),
    "detector's width": (
        set_in("detector", width=12),
        DETECTOR | TABLES,
    ),
    "one more seed": (
        lambda experiment: experiment.update(seeds=2),
        {"detector full/both/1"} | TABLES,
    ),
}


@pytest.mark.parametrize(("edit", "expected"), CONFIGURATION_EDITS.values(), ids=CONFIGURATION_EDITS.keys())
def test_edit_of_the_configuration_reruns_only_what_uses_it(finished, edit, expected):
    finished.configure(edit)
    assert finished.jobs_to_rerun() == expected


NEW_SIMILARITY = '''@_similarity
def l1_again(pair: Pair) -> Tensor:
    """-mean |D|, a second time."""
    return -pair.gap.mean((-2, -1))


@_similarity
def l2('''
CODE_EDITS = {
    "line of code in similarity.py": (
        "lineage/similarity/measures.py",
        "LSE_RATE, LSE_CEILING = 0.02, 10.0",
        "LSE_RATE, LSE_CEILING = 0.03, 10.0",
        SIMILARITIES | TABLES,
    ),
    "similarity added to similarity.py": (
        "lineage/similarity/measures.py",
        "@_similarity\ndef l2(",
        NEW_SIMILARITY,
        SIMILARITIES | TABLES,
    ),
    "layout of the tables": (
        "lineage/results/tables.py",
        "def write_tables(",
        "LAYOUT = 2\n\n\ndef write_tables(",
        {"tables", *SHOWN},
    ),
    "line of code in a stage script": (
        "workflow/scripts/evaluate.py",
        "with stage(snakemake) as run:\n",
        "with stage(snakemake) as run:\n    run.say('begins')\n",
        TABLES,
    ),
    "the detector's network": (
        "lineage/detector/model.py",
        "class DetectorNetwork(",
        "EDITED = True\n\n\nclass DetectorNetwork(",
        DETECTOR | TABLES,
    ),
    "the device of a job": (
        "lineage/jobs/device.py",
        "from lineage.errors import",
        "EDITED = True\nfrom lineage.errors import",
        COMPUTED | TABLES,
    ),
    "a way of training": (
        "lineage/training/freezing.py",
        "from lineage.errors import",
        "EDITED = True\nfrom lineage.errors import",
        COMPUTED | TABLES,
    ),
    "a source of images": (
        "lineage/data/sources/folder.py",
        "from lineage.errors import",
        "EDITED = True\nfrom lineage.errors import",
        {"probe"} | COMPUTED | TABLES,
    ),
    "a figure": (
        "lineage/report/figures/calibration.py",
        "from lineage.report.figure import",
        "EDITED = True\nfrom lineage.report.figure import",
        SHOWN,
    ),
    "the template of the page": (
        "lineage/report/page.html.j2",
        "</body>",
        "<!-- edited --></body>",
        {"report"},
    ),
}


@pytest.mark.parametrize(("file", "old", "new", "expected"), CODE_EDITS.values(), ids=CODE_EDITS.keys())
def test_edit_of_code_reruns_only_what_reaches_it(finished, file, old, new, expected):
    finished.replace(file, old, new)
    assert finished.jobs_to_rerun() == expected


WITHOUT_REACH = {
    "comment in similarity.py": (
        "lineage/similarity/measures.py",
        "def l2(pair: Pair) -> Tensor:",
        "def l2(pair: Pair) -> Tensor:  # a comment",
    ),
    "docstring in similarity.py": (
        "lineage/similarity/measures.py",
        '"""-mean |D|."""',
        '"""Minus the mean of |D|."""',
    ),
    "alignment, where nothing is aligned": (
        "lineage/relation/alignment/neurons.py",
        "AS_GOOD = 0.9",
        "AS_GOOD = 0.8",
    ),
    "a checkpoint format": (
        "lineage/checkpoints/formats/npz.py",
        "from lineage.errors import",
        "EDITED = True\nfrom lineage.errors import",
    ),
    "a verdict's rule": (
        "lineage/auditing/stages/verdict.py",
        "class Word(StrEnum):",
        "EDITED = True\n\n\nclass Word(StrEnum):",
    ),
    "comment in a stage script": (
        "workflow/scripts/evaluate.py",
        "with stage(snakemake) as run:\n",
        "with stage(snakemake) as run:  # a comment\n",
    ),
}


def test_nothing_reruns_after_edits_that_change_no_code_of_a_job_and_a_key_that_says_what_it_is_without(
    finished,
):
    """All at once, for none may hide another: each alone could only make jobs run."""
    for file, old, new in WITHOUT_REACH.values():
        finished.replace(file, old, new)
    finished.configure(set_in("similarity", align=False))
    assert finished.jobs_to_rerun() == set()


def test_nothing_reruns_after_touching_every_file_in_random_order(finished):
    files = sorted(path for path in finished.folder.rglob("*") if path.is_file())
    random.Random(0).shuffle(files)
    latest = max(path.stat().st_mtime_ns for path in files)
    for place, path in enumerate(files, start=1):
        touched = latest + place * 10**7
        os.utime(path, ns=(touched, touched))
    assert finished.jobs_to_rerun() == set()


def test_nothing_reruns_after_a_fresh_git_checkout(finished):
    identity = ("-c", "user.name=tester", "-c", "user.email=tester@example.org")

    def git(*arguments: str) -> str:
        code, output = finished.execute("git", *identity, *arguments)
        assert code == 0, output
        return output

    git("init", "--quiet")
    git("add", "--all")
    git("commit", "--quiet", "--message", "everything")
    tracked = git("ls-files").splitlines()
    times = {name: finished.path(name).stat().st_mtime_ns for name in tracked}
    for name in tracked:
        finished.path(name).unlink()
    git("checkout", "--", ".")
    assert all(finished.path(name).stat().st_mtime_ns > times[name] for name in tracked)
    assert "Snakefile" in tracked
    assert not any(name.startswith("results/tiny") for name in tracked)
    assert finished.jobs_to_rerun() == set()


@pytest.mark.long
def test_an_edit_that_has_run_is_not_run_again(finished):
    finished.configure(set_in("detector", width=12))
    finished.run_to_the_end("--cores", "2", "--", "tables")
    assert finished.jobs_to_rerun() == {"summarise", *SHOWN}
