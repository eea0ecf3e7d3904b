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

import pytest
from conftest import copy_repository, kill_group

KILLS = int(os.environ.get("LINEAGE_KILLS", "2"))
SEED = int(os.environ.get("LINEAGE_KILL_SEED", "0"))
DEFAULT = os.environ.get("LINEAGE_KILL_CONFIG") == "default"
LIMIT = 1800 if DEFAULT else 300
"""Seconds that a whole run may take."""


@pytest.fixture
def reference(request, tmp_path):
    """What an uninterrupted run reports, the seconds it took, and the same experiment before its run."""
    if not DEFAULT:
        checkout, seconds = request.getfixturevalue("uninterrupted")
        yield checkout.reported(), seconds, request.getfixturevalue("unstarted")
        return
    checkout, unstarted = (copy_repository(tmp_path / name) for name in ("uninterrupted", "killed"))
    seconds = checkout.run_to_the_end(timeout=LIMIT)
    yield checkout.reported(), seconds, unstarted
    shutil.rmtree(tmp_path)


def test_run_killed_at_random_moments_ends_with_the_same_bytes(reference):
    """The run goes on after each kill; should it end before one, the next begins from nothing."""
    expected, seconds, checkout = reference
    moments = random.Random(SEED)
    longest = 3 * seconds / (KILLS + 1)  # so that the kills together spread over a run's length
    for number in range(KILLS):
        checkout.python("-m", "lineage", "unlock")
        run = checkout.start(sys.executable, "-m", "snakemake", "--cores", "2")
        moment = moments.uniform(1, longest)
        try:
            output, _ = run.communicate(timeout=moment)
        except subprocess.TimeoutExpired:
            kill_group(run)
            print(f"kill {number + 1} of {KILLS} after {moment:.1f} s, {len(checkout.artifacts())} artifacts")
            continue
        assert run.returncode == 0, output
        assert checkout.reported() == expected
        checkout.forget_the_run()
    checkout.run_to_the_end("--cores", "2", timeout=LIMIT)
    assert checkout.reported() == expected


def test_batching_and_number_of_cores_change_no_byte_of_the_results(uninterrupted, unstarted):
    unstarted.configure(lambda experiment: experiment.update(block_size=2))
    unstarted.run_to_the_end("--cores", "1")
    assert len(list(unstarted.results.glob("tiny/finetune/full/*/*/weights.h5"))) == 4
    assert unstarted.reported() == uninterrupted[0].reported()
