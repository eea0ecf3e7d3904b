"""Whatever befalls the jobs of a run, it ends, or goes on when started again, with the laptop's bytes."""

import os
import shutil
import subprocess
import sys

import pytest
from checkout import Checkout, kill_group

from .cluster import eventually, said
from .runs import (
    DEFAULT,
    WEIGHTS,
    again,
    assert_as_on_the_laptop,
    halted_script,
    halted_while_writing,
    jobs_of,
    kill,
    output_of,
    run_to_the_end,
    started,
)

pytestmark = pytest.mark.skipif(DEFAULT, reason="of the tiny experiment")

FINETUNE = again("finetune", WEIGHTS)
PRETRAINED = "results/tiny/pretrain/p0/weights.h5"
STRANGER = "65534"
"""The user `nobody`."""


@pytest.fixture(scope="module", autouse=True)
def overdue(cluster, laptop, shared):
    """A run whose job is over its time limit before long; it begins first, because SLURM looks once a minute."""
    folder = shared / "overdue"
    shutil.copytree(laptop.folder, folder, symlinks=True)
    checkout = Checkout(folder)
    with started(checkout, *FINETUNE) as run:
        halted_script(checkout)
        [job] = jobs_of(checkout, "RUNNING")
        said("scontrol", "update", f"JobId={job['JobId']}", "TimeLimit=1")
        yield checkout, run, job


def requests(job: dict[str, str]) -> tuple[int, int]:
    """Megabytes and minutes that a job asked for."""
    hours, minutes, _ = job["TimeLimit"].split(":")
    return int(job["MinMemoryNode"].rstrip("M")), 60 * int(hours) + int(minutes)


def assert_tried_again_with_twice_as_much(first: dict[str, str], second: dict[str, str]) -> None:
    memory, minutes = requests(first)
    assert requests(second) == (2 * memory, 2 * minutes)


def test_a_cancelled_job_is_tried_again(cluster, laptop, finished):
    with started(finished, *FINETUNE) as run:
        halted_script(finished)
        [job] = jobs_of(finished, "RUNNING")
        said("scancel", job["JobId"])
        output_of(run)
    first, second = jobs_of(finished)
    assert (first["JobState"], second["JobState"]) == ("CANCELLED", "COMPLETED")
    assert_tried_again_with_twice_as_much(first, second)
    assert_as_on_the_laptop(finished, laptop)


def test_a_job_killed_while_it_writes_is_tried_again_and_leaves_nothing_half_written(
    cluster, laptop, finished
):
    with started(finished, *FINETUNE) as run:
        kill(halted_while_writing(finished, WEIGHTS))
        output_of(run)
    assert [job["JobState"] for job in jobs_of(finished)] == ["FAILED", "COMPLETED"]
    assert not list(finished.results.rglob("*.part"))
    assert_as_on_the_laptop(finished, laptop)


def test_a_run_killed_while_its_jobs_run_is_started_again_once_they_have_ended(cluster, laptop, finished):
    with started(finished, *FINETUNE) as run:
        script = halted_script(finished)
        [job] = jobs_of(finished, "RUNNING")
        kill_group(run)
    code, told = finished.python("-m", "lineage", "unlock")
    assert code == 2
    assert f"still in the queue: {job['JobId']}; wait" in told
    code, told = finished.snakemake("--unlock")
    assert code == 0, told
    told = run_to_the_end(finished, *FINETUNE, code=1)
    assert f"error: {finished.folder}: SLURM jobs of an earlier run" in told
    assert len(jobs_of(finished)) == 1
    script.resume()
    eventually(lambda: not jobs_of(finished, "RUNNING", "COMPLETING"), "the end of the job", timeout=180)
    finished.unlock()
    run_to_the_end(finished, *FINETUNE)
    assert_as_on_the_laptop(finished, laptop)


def test_a_run_outlives_a_restart_of_the_controller(cluster, laptop, finished):
    with started(finished, *FINETUNE) as run:
        script = halted_script(finished)
        cluster.stop_controller()
        script.resume()
        with pytest.raises(TimeoutError):
            eventually(lambda: run.poll() is not None, "the end of the run", timeout=5)
        cluster.start_controller()
        output_of(run)
    assert [job["JobState"] for job in jobs_of(finished)] == ["COMPLETED"]
    assert_as_on_the_laptop(finished, laptop)


def test_a_job_that_must_have_a_gpu_fails_on_a_node_without_one_and_goes_on_without_that_demand(
    cluster, laptop, finished
):
    finished.configure(lambda config: config.update(device="cuda"), experiment=None)
    told = run_to_the_end(finished, "--retries", "0", "--", PRETRAINED, code=1)
    lines = [line for line in told.splitlines() if line.startswith("error: ")]
    assert lines == ["error: device: cuda was asked for, but PyTorch sees no GPU; set device to auto or cpu"]
    assert not finished.folder.joinpath(PRETRAINED).exists()
    finished.configure(lambda config: config.update(device="auto"), experiment=None)
    run_to_the_end(finished, "--", PRETRAINED)
    assert_as_on_the_laptop(finished, laptop)


@pytest.fixture
def as_stranger(shared):
    """What comes before a command to run it as another user; nothing if only root may enter this Python's folder."""
    home = shared / "home of another"
    home.mkdir()
    os.chown(home, int(STRANGER), int(STRANGER))
    become = ["setpriv", f"--reuid={STRANGER}", f"--regid={STRANGER}", "--clear-groups"]
    become += ["env", f"HOME={home}", f"XDG_CACHE_HOME={home}"]
    reached = subprocess.run([*become, sys.executable, "-c", ""], capture_output=True, timeout=60)
    return become if reached.returncode == 0 else []


@pytest.fixture
def read_only(laptop, shared):
    """The laptop's checkout where nobody can write, not even root."""
    folder = shared / "read only"
    folder.mkdir()
    said("mount", "--bind", str(laptop.folder), str(folder))
    try:
        said("mount", "-o", "remount,bind,ro", str(folder))
        with pytest.raises(OSError, match="Read-only"):
            folder.joinpath("x").touch()
        yield Checkout(folder)
    finally:
        said("umount", "--lazy", str(folder))


def test_two_users_run_at_once_one_from_a_read_only_checkout_into_a_folder_of_their_own(
    cluster, laptop, finished, shared, read_only, as_stranger
):
    """The other user is root too where only root may enter the folder of this Python."""
    elsewhere = shared / "elsewhere"
    elsewhere.mkdir()
    user = STRANGER if as_stranger else "0"
    os.chown(elsewhere, int(user), int(user))
    target = ["--directory", str(elsewhere), "--", PRETRAINED]
    with started(finished, *FINETUNE) as run, started(read_only, *target, prefix=as_stranger) as other:
        output_of(other)
        output_of(run)
    [job] = jobs_of(Checkout(elsewhere))
    assert job["JobState"] == "COMPLETED"
    assert job["UserId"].endswith(f"({user})")
    assert (elsewhere / PRETRAINED).read_bytes() == laptop.path(PRETRAINED).read_bytes()
    code, told = read_only.execute(*as_stranger, sys.executable, "-m", "snakemake", "--dry-run", *target)
    assert (code, "Nothing to be done" in told) == (0, True), told
    assert_as_on_the_laptop(finished, laptop)


def test_a_job_over_its_time_limit_is_tried_again_with_twice_as_much(cluster, laptop, overdue):
    checkout, run, asked = overdue
    output_of(run)
    first, second = jobs_of(checkout)
    assert (first["JobState"], second["JobState"]) == ("TIMEOUT", "COMPLETED")
    assert_tried_again_with_twice_as_much(asked, second)
    assert_as_on_the_laptop(checkout, laptop)
