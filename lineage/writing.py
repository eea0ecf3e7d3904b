"""Writes a file beside its place and then renames it: a reader sees a whole file or none.

A killed job leaves what was there before.
"""

import contextlib
import errno
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from lineage.errors import UserError


@contextlib.contextmanager
def written_whole(path: str | Path) -> Iterator[Path]:
    """Gives a temporary path beside `path`; renames it into place if the body ends well.

    Raises:
        UserError: if the disk is full or the folder cannot be written; `path` is then as before.
    """
    path = Path(path)
    part = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield part
        part.replace(path)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        advice = {
            errno.ENOSPC: "free some space",
            errno.EDQUOT: "free some of your quota",
            errno.EFBIG: "raise the limit on file size (ulimit -f)",
            errno.EACCES: "make its folder writable",
            errno.EROFS: "choose a folder that can be written (snakemake --directory)",
        }.get(error.errno, "check the disk")
        raise UserError(f"{path}: could not be written: {reason}; {advice} and run again") from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink()


@contextlib.contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Waits until no other process is in this body with the same folder, which is made if it is not there."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
