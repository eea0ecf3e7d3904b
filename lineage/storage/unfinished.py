"""What a process has begun to write and not finished: one that is stopped removes it."""

import contextlib
import shutil
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

_begun: set[Path] = set()
_changing = threading.Lock()


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
