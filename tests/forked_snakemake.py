"""Snakemake in forks of one process that has imported it: of a dry-run's seconds, its imports are a third."""

import multiprocessing
import os
import sys
import tempfile
from pathlib import Path

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["snakemake.cli", "grimp", "jsonschema", "yaml"])


def snakemake_in_a_fork(
    folder: Path, environment: dict[str, str], *arguments: str, timeout: float
) -> tuple[int, str]:
    """Exit code and output of Snakemake in a folder, where it starts no job: none would find its command line."""
    with tempfile.NamedTemporaryFile() as output:
        process = FORKS.Process(target=_snakemake, args=(output.name, folder, environment, arguments))
        process.start()
        process.join(timeout)
        if process.is_alive():
            process.kill()
            raise TimeoutError(f"snakemake {' '.join(arguments)}: longer than {timeout:g} s")
        return process.exitcode, Path(output.name).read_text()


def _snakemake(output: str, folder: Path, environment: dict[str, str], arguments: tuple[str, ...]) -> None:
    descriptor = os.open(output, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(descriptor, stream.fileno())
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.path.insert(0, str(folder))
    from snakemake.cli import main

    main(list(arguments))
