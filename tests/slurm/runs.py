"""Runs of Snakemake on the test cluster, their jobs as SLURM knows them, and the processes of these jobs."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
from checkout import Checkout, kill_group

from .cluster import eventually, said

PROFILE = ("--workflow-profile", "profiles/slurm")
QUICKLY = ("--slurm-init-seconds-before-status-checks", "3")
DEFAULT = os.environ.get("LINEAGE_SLURM_CONFIG") == "default"
"""Whether whole runs are of the experiment in config/config.yaml instead of the tiny one; half an hour."""
LIMIT = 3600 if DEFAULT else 1200
"""Seconds that a run may take."""
WEIGHTS = "results/tiny/finetune/full/p0/0/weights.h5"
FEATURES = "results/tiny/features/roots/features.h5"


def command_line(*arguments: str) -> list[str]:
    """Snakemake as a user starts it for SLURM, but for how often it asks for states."""
    return [sys.executable, "-m", "snakemake", *PROFILE, *QUICKLY, *arguments]


def again(rule: str, target: str) -> list[str]:
    """Arguments that make the job of one file run again."""
    return ["--forcerun", rule, "--", target]


@contextmanager
def started(checkout: Checkout, *arguments: str, prefix: Sequence[str] = ()) -> Iterator[subprocess.Popen]:
    """A run on SLURM, by way of another command if a prefix is given; killed if it takes too long."""
    run = checkout.start(*prefix, *command_line(*arguments))
    limit = threading.Timer(LIMIT, os.killpg, [run.pid, signal.SIGKILL])
    limit.start()
    try:
        yield run
    except BaseException:
        with suppress(ProcessLookupError):
            os.killpg(run.pid, signal.SIGKILL)
        print(run.communicate(timeout=60)[0])
        for log in sorted(checkout.folder.glob(".snakemake/slurm_logs/**/*.log")):
            print(log.name, log.read_text())
        raise
    finally:
        limit.cancel()
        kill_group(run)


def output_of(run: subprocess.Popen, code: int = 0) -> str:
    """What a run says until its end."""
    output, _ = run.communicate(timeout=LIMIT)
    assert run.returncode == code, output
    return output


def run_to_the_end(checkout: Checkout, *arguments: str, code: int = 0) -> str:
    """What a run on SLURM says."""
    with started(checkout, *arguments) as run:
        return output_of(run, code)


def jobs_of(checkout: Checkout, *states: str) -> list[dict[str, str]]:
    """The jobs of a checkout as `scontrol show job` tells them, first submitted first; of some states only."""
    lines = said("scontrol", "--oneliner", "show", "job").splitlines()
    jobs = [dict(item.partition("=")[::2] for item in line.split(" ") if "=" in item) for line in lines]
    folders = dict(line.split("|") for line in said("squeue", "--states=all", "-ho", "%i|%Z").splitlines())
    return [
        job
        for job in jobs
        if folders.get(job.get("JobId")) == str(checkout.folder) and (not states or job["JobState"] in states)
    ]


def script_of(checkout: Checkout) -> psutil.Process | None:
    """The process of a stage script that runs in a checkout."""
    for process in psutil.process_iter(["cmdline", "cwd"]):
        is_script = any(".snakemake/scripts/" in word for word in process.info["cmdline"] or [])
        if is_script and process.info["cwd"] == str(checkout.folder) and "python" in process.name():
            return process
    return None


def halted_script(checkout: Checkout) -> psutil.Process:
    """The process of the next stage script of a checkout, stopped where it was met."""
    process = eventually(lambda: script_of(checkout), "a job's script", timeout=180)
    process.suspend()
    return process


def halted_while_writing(checkout: Checkout, target: str) -> psutil.Process:
    """The process that writes a file, stopped in the middle of that."""
    folder, name = (checkout.folder / target).parent, Path(target).name
    process = eventually(lambda: script_of(checkout), "a job's script", timeout=180)
    eventually(
        lambda: list(folder.glob(f".{name}*.part")), f"a half-written {name}", timeout=120, every=0.002
    )
    process.suspend()
    assert list(folder.glob(f".{name}*.part"))
    return process


def kill(process: psutil.Process) -> None:
    """Ends a process as the out-of-memory killer does."""
    os.kill(process.pid, signal.SIGKILL)


def assert_as_on_the_laptop(checkout: Checkout, laptop: Checkout) -> None:
    """Every artifact is the laptop's, byte for byte, and neither profile finds anything to do."""
    expected, found = laptop.artifacts(), checkout.artifacts()
    assert found.keys() == expected.keys()
    assert [name for name in expected if found[name] != expected[name]] == []
    for profile in ((), PROFILE):
        code, output = checkout.dry_run(*profile)
        assert code == 0, output
        assert "Nothing to be done" in output, output
