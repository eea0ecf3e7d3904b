"""A run that was killed, and one that goes another way, end with the same bytes as an uninterrupted one.

LINEAGE_KILLS: how often a run is killed (2). LINEAGE_KILL_SEED: of the moments (0).
LINEAGE_KILL_CONFIG=default: kills the experiment of config/config.yaml instead of the tiny one. By hand:

    LINEAGE_KILLS=10 LINEAGE_KILL_CONFIG=default python -m pytest tests/workflow/test_kill.py -k killed -s
"""

import os
import random
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pandas as pd
import pytest
from checkout import copy_repository, kill_group

pytestmark = pytest.mark.long
KILLS = int(os.environ.get("LINEAGE_KILLS", "2"))
SEED = int(os.environ.get("LINEAGE_KILL_SEED", "0"))
DEFAULT = os.environ.get("LINEAGE_KILL_CONFIG") == "default"
LIMIT = 1800 if DEFAULT else 300
"""Seconds that a whole run may take."""


@pytest.fixture
def reference(request, tmp_path):
    """An uninterrupted run, the seconds it took, and the same experiment before its run."""
    if not DEFAULT:
        yield *request.getfixturevalue("uninterrupted"), request.getfixturevalue("unstarted")
        return
    checkout, unstarted = (copy_repository(tmp_path / name) for name in ("uninterrupted", "killed"))
    yield checkout, checkout.run_to_the_end(timeout=LIMIT), unstarted
    shutil.rmtree(tmp_path)


def killed(run: subprocess.Popen, jobs: int, delay: float) -> tuple[bool, int]:
    """Kills a run some seconds after it has finished so many jobs.

    Returns whether it still lived then, and how many jobs it had finished.
    """
    finished = 0
    limit = threading.Timer(LIMIT, kill_group, [run])
    limit.start()
    try:
        while finished < jobs and (line := run.stdout.readline()):
            finished += line.startswith("Finished jobid")
        run.wait(delay)
    except subprocess.TimeoutExpired:
        return True, finished
    finally:
        limit.cancel()
        kill_group(run)
    return False, finished


def test_run_killed_at_random_moments_ends_with_the_same_bytes(reference):
    """The run goes on after each kill; should it end before one, it begins again from nothing."""
    uninterrupted, seconds, checkout = reference
    expected = uninterrupted.reported()
    jobs = len(list(uninterrupted.results.glob("logs/**/*.time.json")))
    chance = random.Random(SEED)
    moments = sorted(chance.randrange(jobs - 2) for _ in range(KILLS))  # two jobs must be left to be killed
    finished, too_late = 0, 0
    while moments:
        checkout.unlock()
        run = checkout.start(sys.executable, "-m", "snakemake", "--cores", "2")
        delay = chance.uniform(0, 2 * seconds / jobs)
        was_alive, seen = killed(run, moments[0] - finished, delay)
        finished += seen
        if was_alive:
            print(
                f"killed {delay:.1f} s after job {finished} of {jobs}, {len(checkout.artifacts())} artifacts"
            )
            moments.pop(0)
            continue
        assert run.returncode == 0
        assert checkout.reported() == expected
        checkout.forget_the_run()
        finished, too_late = 0, too_late + 1
        assert too_late < 5
    checkout.run_to_the_end("--cores", "2", "--", "tables", timeout=LIMIT)
    assert checkout.reported() == expected


def test_batching_blocks_across_parents_and_the_number_of_cores_change_no_byte_of_the_results(
    uninterrupted, finished
):
    """Two cores, with p1's four children in one block, against one core, with three beside p0's and one alone."""
    finished.configure(lambda experiment: experiment.update(block_by="setting", block_size=3))
    finished.run_to_the_end("--cores", "1", "--", "tables")
    blocks = sorted((finished.results / "tiny/finetune/full/all").glob("*/models.parquet"))
    assert [parents(block) for block in blocks] == [["p0"] * 3 + ["p1"] * 3, ["p1"]]
    assert finished.reported() == uninterrupted[0].reported()


def parents(block: Path) -> list[str]:
    """Of a block's children."""
    return list(pd.read_parquet(block)["parent"])
