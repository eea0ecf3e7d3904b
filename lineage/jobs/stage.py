"""What every stage script shares: log, progress, timing, and errors for people."""

import contextlib
import json
import sys
import time
import traceback
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TextIO, TypeVar

import psutil

from lineage.errors import UserError
from lineage.progress import tracked
from lineage.storage.atomic import written_whole


class Stage:
    """One run of a stage script.

    Args:
        snakemake: the object that Snakemake gives to a script.
        log: where lines go besides the terminal.
    """

    def __init__(self, snakemake, log: TextIO):
        self._snakemake = snakemake
        self._log = log
        self.name = " ".join([snakemake.rule, "/".join(map(str, snakemake.wildcards))]).strip()
        self.tracked = partial(tracked, say=self.say)

    def say(self, line: str) -> None:
        """Writes a line to the terminal and to the log."""
        for stream in (sys.stderr, self._log):
            print(f"{self.name}: {line}", file=stream, flush=True)

    def measured(self) -> dict[str, int]:
        """What the stage used besides time, for log.time."""
        return {}


S = TypeVar("S", bound=Stage)


@contextlib.contextmanager
def stage(snakemake, kind: type[S] = Stage) -> Iterator[S]:
    """Runs a stage's body: a user's mistake ends as one line and exit code 1; time spent goes to log.time."""
    began = time.time()
    with Path(snakemake.log.text).open("w") as log:
        try:
            run = kind(snakemake, log)
            yield run
        except UserError as error:
            for stream in (sys.stderr, log):
                print(f"error: {error}", file=stream, flush=True)
            sys.exit(1)
        except BaseException:
            traceback.print_exc(file=log)
            raise
    spent = {
        "rule": snakemake.rule,
        "import": began - psutil.Process().create_time(),
        "compute": time.time() - began,
    }
    with written_whole(snakemake.log.time) as part:
        part.write_text(json.dumps(spent | run.measured()) + "\n")
