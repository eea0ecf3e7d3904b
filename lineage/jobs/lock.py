"""What a killed run leaves: its lock, removed if nothing that could hold it is alive, and its SLURM jobs."""

import os
import subprocess
from pathlib import Path

import psutil

from lineage.errors import UserError


def remove_stale_lock(folder: Path) -> list[Path]:
    """Removes the lock files of a working folder.

    Args:
        folder: where Snakemake runs.

    Returns:
        The files removed.

    Raises:
        UserError: if a process or a SLURM job of a run in that folder is still alive.
    """
    check_no_slurm_jobs(folder)
    locks = sorted((folder / ".snakemake" / "locks").glob("*"))
    if locks and (alive := _runs_in(folder)):
        pids = " ".join(map(str, alive))
        raise UserError(
            f"{folder}: a run is still alive here (process {', '.join(map(str, alive))}); wait for it, or end "
            f"it with `kill {pids}`, or `kill -9 {pids}` if it is there after 30 seconds, and run again"
        )
    for path in locks:
        path.unlink()
    return locks


def check_no_slurm_jobs(folder: Path) -> None:
    """Refuses to go on beside SLURM jobs of an earlier run, which would write the same files.

    SLURM is asked only where a run in the folder used it.

    Raises:
        UserError: if there are such jobs, or SLURM does not answer.
    """
    if not (folder / ".snakemake" / "slurm_logs").is_dir():
        return
    command = ["squeue", "--me", "--noheader", "--format=%i|%Z|%k"]
    try:
        queue = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    except (OSError, subprocess.SubprocessError) as error:
        reason = (getattr(error, "stderr", None) or str(error)).strip().splitlines()[0]
        raise UserError(
            f"{folder}: a run here used SLURM, but squeue does not say whether its jobs are alive ({reason}); "
            f"run where SLURM answers, or remove {folder / '.snakemake' / 'slurm_logs'} if they have all ended"
        ) from None
    jobs = [line.split("|", 2) for line in queue.splitlines()]
    left = [job for job, where, comment in jobs if where == str(folder) and comment.startswith("rule_")]
    if left:
        raise UserError(
            f"{folder}: SLURM jobs of an earlier run are still in the queue: {' '.join(left)}; "
            f"wait for them or `scancel {' '.join(left)}`, and run again"
        )


def _runs_in(folder: Path) -> list[int]:
    """Process ids of Snakemake and of its jobs that work in a folder."""
    own = {os.getpid(), *(process.pid for process in psutil.Process().parents())}
    found = []
    for process in psutil.process_iter(["cmdline", "cwd"]):
        runs = any(map(is_run, process.info["cmdline"] or []))
        if process.pid not in own and process.info["cwd"] == str(folder) and runs:
            found.append(process.pid)
    return found


def is_run(argument: str) -> bool:
    """Whether an argument is that of Snakemake or of one of its jobs, not of a reader of its logs."""
    return Path(argument).name == "snakemake" or ".snakemake/scripts/" in argument
