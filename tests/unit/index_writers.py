"""Writers of an index that are killed, or meet: `python index_writers.py kill|meet INDEX FOLDER`.

It imports first and forks then, so that ten writers cost one start. Prints the ids that the writers reported.
"""

import os
import signal
import sys
import time
from pathlib import Path

import numpy as np

from lineage.index import change


def writer(index: str, files: list[str]) -> tuple[int, int]:
    """Starts a writer of some files, one at a time; its process and what it reports."""
    reading, writing = os.pipe()
    if process := os.fork():
        os.close(writing)
        return process, reading
    change.AT_ONCE = 1
    change.add(index, files, say=lambda line: os.write(writing, f"{line}\n".encode()))
    os._exit(0)


def main() -> None:
    how, index, folder = sys.argv[1:]
    files = sorted(map(str, Path(folder).glob("*.safetensors")))
    if how == "meet":
        writers = [writer(index, files[start::2]) for start in (0, 1)]
    else:
        writers = []
        draw = np.random.default_rng(0)
        for _ in range(10):
            process, reading = writer(index, files)
            reported = os.read(reading, 1)  # the first line begins
            time.sleep(draw.uniform(0, 0.02))
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
            sys.stdout.write((reported + os.read(reading, 2**16)).decode())
            os.close(reading)
    for process, reading in writers:
        sys.stdout.write(os.fdopen(reading).read())
        os.waitpid(process, 0)


if __name__ == "__main__":
    main()
