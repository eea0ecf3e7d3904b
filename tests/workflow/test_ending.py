"""How a run ends and what it says then: asked to, in part, with children appended, with a child that diverged."""

import signal
import sys
import time

import psutil
from checkout import kill_group

STUBBORN = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if snakemake.wildcards.root == "p1":
    os.kill(os.getpid(), signal.SIGSTOP)
time.sleep(600)
"""


def jobs_in(folder) -> list[psutil.Process]:
    """Scripts of jobs in a folder."""
    return [
        process
        for process in psutil.process_iter(["cmdline", "cwd"])
        if process.info["cwd"] == str(folder) and "/scripts/" in (process.info["cmdline"] or ["", ""])[-1]
    ]


def test_sigterm_ends_a_run_though_its_jobs_ignore_it_or_are_stopped(unstarted):
    unstarted.path("workflow/scripts/pretrain.py").write_text(STUBBORN)
    run = unstarted.start(sys.executable, "-m", "snakemake", "--cores", "2", "--until", "pretrain")
    try:
        limit = time.monotonic() + 90
        while {job.status() for job in jobs_in(unstarted.folder)} != {
            psutil.STATUS_SLEEPING,
            psutil.STATUS_STOPPED,
        }:
            assert time.monotonic() < limit, run.poll()
            time.sleep(0.5)
        code, told = unstarted.python("-m", "lineage", "unlock")
        assert code == 2, told
        assert f"kill -9 {run.pid}" in told
        asked = time.monotonic()
        run.send_signal(signal.SIGTERM)
        output, _ = run.communicate(timeout=30)
        assert time.monotonic() - asked < 30
    finally:
        kill_group(run)
    assert run.returncode != 0
    assert "ended by SIGTERM" in output
    assert not jobs_in(unstarted.folder)
    assert not list(unstarted.folder.glob(".snakemake/locks/*"))


def test_a_run_in_part_closes_with_what_it_did_and_not_with_older_results(finished):
    code, output = finished.snakemake(
        "--cores", "1", "--touch", "--until", "finetune", "--forcerun", "finetune"
    )
    assert code == 0, output
    assert "finetune" in output
    assert not [word for word in ("chance", "tables:", "page:", "evaluate") if word in output]
    code, output = finished.snakemake("--cores", "1", "--touch", "--forcerun", "tables")
    assert not [word for word in ("chance", "tables:", "page:", "evaluate") if word not in output]


def test_children_appended_within_a_block_are_told_to_have_it_trained_again(finished):
    finished.configure(lambda experiment: experiment["settings"]["full"].update(children={"default": 4}))
    code, output = finished.snakemake("--cores", "1", "--touch", "--until", "finetune")
    assert code == 0, output
    told = [line for line in output.splitlines() if " appended (" in line]
    assert len(told) == 1
    assert (
        "finetune/full/p0/0/models.parquet: 1 appended (p0.full.003): the block's other 3 are trained"
        in told[0]
    )


def test_a_child_that_diverges_stops_what_needs_it_and_nothing_else(finished):
    features = "results/tiny/features/full/p1/0/features.h5"
    finished.configure(
        lambda experiment: experiment["settings"].update(
            wild=experiment["settings"]["full"]
            | {"children": {"default": 0, "p0": 3}, "grid": {"learning_rate": [1e30], "epochs": [3]}}
        )
    )
    finished.path(features).unlink()
    diverging = "results/tiny/finetune/wild/p0/0/weights.h5"
    targets = (diverging, features, "results/tiny/features/wild/p0/0/features.h5")
    code, output = finished.snakemake("--cores", "1", "--prioritize", diverging, "--", *targets)
    assert code == 1, output
    assert "p0.wild.000: training diverged" in output
    assert output.index("training diverged") < output.index("features tiny/full/p1/0")
    assert finished.path(features)
