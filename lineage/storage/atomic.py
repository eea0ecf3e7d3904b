"""Writes a file beside its place and then renames it: a reader sees a whole file or none.

A killed job leaves what was there before, and one that is stopped removes what it has begun. A file has one writer at
a time, on whatever node of a cluster. Devices and pipes stay what they are, and get the whole at the end.
"""

import contextlib
import errno
import fcntl
import os
import shutil
import stat
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from lineage.errors import UserError

WITHOUT_LOCKS = {errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK}
"""What file systems answer that have no locks, as some mounts of Lustre and NFS."""

OPEN_FILES = Path("/dev/fd")
"""Names of open files by their numbers, as shells write `>(command)`."""

_begun: set[Path] = set()
_changing = threading.Lock()


class BeingWritten(UserError):  # noqa: N818
    """Another process is writing the file."""


@contextlib.contextmanager
def written_whole(path: str | Path) -> Iterator[Path]:
    """Gives a temporary path beside `path`; renames it into place if the body ends well.

    Raises:
        UserError: if the disk is full, the folder cannot be written, or another process is writing the file;
            `path` is then as before.
    """
    path = Path(path)
    part = path.with_name(f".{path.name}.part")
    try:
        if _is_stream(path):
            with temporary_folder() as folder:
                yield folder / path.name
                _pass_on(folder / path.name, path)
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        with _held(part, path):
            yield part
            part.replace(path)
    except OSError as error:
        if error.errno == errno.EPIPE:  # who reads has seen enough
            raise
        reason = os.strerror(error.errno) if error.errno else str(error)
        advice = {
            errno.ENOSPC: "free some space",
            errno.EDQUOT: "free some of your quota",
            errno.EFBIG: "raise the limit on file size (ulimit -f)",
            errno.EACCES: "make its folder writable",
            errno.EROFS: "choose a folder that can be written (snakemake --directory)",
            errno.EISDIR: "name a file in it",
            errno.EEXIST: "a file stands where its folder should: move it",
            errno.ENOTDIR: "a file stands where its folder should: move it",
        }.get(error.errno, "check the disk")
        raise UserError(f"{path}: could not be written: {reason}; {advice} and run again") from error


def _is_stream(path: Path) -> bool:
    """Whether a path is no place on a disk: a device, a pipe, or a number of an open file."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return path.parent in (OPEN_FILES, OPEN_FILES.parent) or not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def _pass_on(part: Path, stream: Path) -> None:
    """Writes a whole file's bytes into a stream, which may be open already."""
    number = os.dup(int(stream.name)) if stream.parent == OPEN_FILES else os.open(stream, os.O_WRONLY)
    with part.open("rb") as whole, os.fdopen(number, "wb") as end:
        shutil.copyfileobj(whole, end)


@contextlib.contextmanager
def _held(part: Path, path: Path) -> Iterator[None]:
    """Creates and locks the temporary file, where the file system has locks; removes it if the body raises."""
    with _changing:  # nothing is begun once all is removed
        file = part.open("ab")
    with file:
        try:
            _lock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BeingWritten(
                f"{path}: another process is writing it; wait for that process or end it, and run again"
            ) from None
        file.truncate(0)
        try:
            with unfinished(part):
                yield
        except BaseException:
            with contextlib.suppress(OSError):
                part.unlink()
            raise


@contextlib.contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Waits until no other process is in this body with the same folder, which is made if it is not there.

    Where the file system has no locks, nothing waits.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as file:
        _lock(file, fcntl.LOCK_EX)
        yield


def _lock(file: IO, how: int) -> None:
    """Locks a file, where the file system has locks."""
    try:
        fcntl.flock(file, how)
    except OSError as error:
        if error.errno not in WITHOUT_LOCKS:
            raise


@contextlib.contextmanager
def unfinished(path: Path) -> Iterator[None]:
    """Notes while the body runs that a file or a folder is not whole."""
    with _changing:
        _begun.add(path)
    try:
        yield
    finally:
        with _changing:
            _begun.discard(path)


@contextlib.contextmanager
def temporary_folder() -> Iterator[Path]:
    """A folder that is gone after the body, also if the process is stopped in it."""
    with tempfile.TemporaryDirectory() as folder, unfinished(Path(folder)):
        yield Path(folder)


def remove_unfinished() -> None:
    """Removes what any thread has begun. For a process that ends now: none may begin or finish anything after it."""
    _changing.acquire()
    for path in _begun:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with contextlib.suppress(OSError):
                path.unlink()
