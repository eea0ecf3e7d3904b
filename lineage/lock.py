"""Snakemake's lock after a killed run: removed if nothing that could hold it is alive."""

import os
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
        UserError: if a process of a run in that folder is still alive.
    """
    locks = sorted((folder / ".snakemake" / "locks").glob("*"))
    if locks and (alive := _runs_in(folder)):
        raise UserError(
            f"{folder}: a run is still alive here (process {', '.join(map(str, alive))}); "
            "wait for it, or end it and run again"
        )
    for path in locks:
        path.unlink()
    return locks


def _runs_in(folder: Path) -> list[int]:
    """Process ids of Snakemake and of its jobs that work in a folder."""
    own = {os.getpid(), *(process.pid for process in psutil.Process().parents())}
    found = []
    for process in psutil.process_iter(["cmdline", "cwd"]):
        is_run = any(map(_is_run, process.info["cmdline"] or []))
        if process.pid not in own and process.info["cwd"] == str(folder) and is_run:
            found.append(process.pid)
    return found


def _is_run(argument: str) -> bool:
    """Whether an argument is that of Snakemake or of one of its jobs, not of a reader of its logs."""
    return Path(argument).name == "snakemake" or ".snakemake/scripts/" in argument
