"""Ctrl-C and SIGTERM end a command at once and with one line, whatever it is doing, and leave nothing half-written.

A thread waits for them, for the main one may be deep in a library that reads a large tensor.
"""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator

from lineage.storage.atomic import remove_unfinished

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def stoppable() -> Iterator[None]:
    """While the body runs, either signal ends the process, with the exit code 128 + its number, as shells expect."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    before = {number: signal.signal(number, _noted) for number in SIGNALS}
    signal.set_wakeup_fd(writer)
    threading.Thread(target=_wait, args=(reader,), daemon=True).start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(-1)
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(writer)


def _noted(number: int, frame: object) -> None:
    """Python writes the number of a signal that has a handler to the pipe."""


def _wait(reader: int) -> None:
    """Ends the process at the first of the signals; returns when the pipe is closed."""
    with open(reader, "rb", buffering=0) as pipe:
        while number := pipe.read(1):
            if number[0] in SIGNALS:
                name = signal.Signals(number[0]).name
                with contextlib.suppress(OSError):  # nobody may read it any more
                    print(f"stopped by {name}; nothing is left half-written", file=sys.stderr, flush=True)
                remove_unfinished()
                os._exit(128 + number[0])
