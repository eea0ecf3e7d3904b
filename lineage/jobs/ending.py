"""How a run ends when it is asked to (SIGTERM): at once, whatever its jobs do. Snakemake would wait for them."""

import contextlib
import os
import signal
import sys
import threading
import time
from types import FrameType

import psutil

from lineage.jobs.lock import is_run

PATIENCE = 8
"""Seconds that jobs have to end by themselves."""
LIMIT = 25
"""Seconds after which the run ends though it could not close its books; its lock is stale then."""


def end_when_asked() -> None:
    """From now on SIGTERM ends this process and all that it started, within half a minute; the main thread calls it.

    Jobs get SIGTERM, and after PATIENCE seconds SIGKILL, which takes stopped ones too. Snakemake meanwhile leaves
    as on Ctrl-C: it starts nothing more, cancels jobs on a cluster, and gives its lock back.
    """
    signal.signal(signal.SIGTERM, _end)


def _end(number: int, frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print("ended by SIGTERM: running jobs are ended too; run again to go on", file=sys.stderr, flush=True)
    threading.Thread(target=_end_all, daemon=True).start()
    raise KeyboardInterrupt


def _end_all() -> None:
    """Ends what this process started, also what it starts meanwhile, and at last the process itself."""
    began = time.monotonic()
    warned = set()
    while (spent := time.monotonic() - began) < LIMIT:
        for process in _of_jobs():
            with contextlib.suppress(psutil.NoSuchProcess):
                if spent > PATIENCE:
                    process.kill()
                elif process not in warned:
                    process.terminate()
                    warned.add(process)
        time.sleep(0.2)
    os._exit(1)


def _of_jobs() -> set[psutil.Process]:
    """The processes of jobs on this machine and what they started; not those that speak to a cluster."""
    found = set()
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            if any(map(is_run, process.cmdline())):
                found |= {process, *process.children(recursive=True)}
    return found
