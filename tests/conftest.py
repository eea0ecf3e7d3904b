"""What all tests share: one thread a worker, the fast ones first, and work that is done once a session."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

for library in (
    "OMP",
    "NUMBA",
):  # before any is imported: NumPy's and PyTorch's threads, and those that Numba gives PyTorch
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")

FOLDERS = ("unit", "browser", "workflow")
SECONDS = 900
"""How long a worker waits for what another one makes."""


def folder_of(item: pytest.Item) -> str:
    """The folder in `tests` that a test stands in."""
    here = Path(__file__).parent
    return item.path.relative_to(here).parts[0] if item.path.is_relative_to(here) else ""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Unit tests first; of the others those marked `long` first, so that no worker ends with one of them alone.

    A file stays on one worker, for the fixtures that it makes once.
    """
    order = {folder: place for place, folder in enumerate(FOLDERS, start=1)}
    items.sort(key=lambda item: (order.get(folder_of(item), 0), not item.get_closest_marker("long")))


@pytest.fixture(scope="session")
def once(tmp_path_factory) -> Callable[[str, Callable[[Path], None]], Path]:
    """Makes a folder once a session, whichever worker asks first; no test may change it.

    Called with a name and a function that fills the folder; gives the folder.
    """
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def made(name: str, fill: Callable[[Path], None]) -> Path:
        folder, ready = shared / name, shared / f"{name}.ready"
        with FileLock(shared / f"{name}.lock", timeout=SECONDS):
            if not ready.exists():
                assert not folder.exists(), f"{name}: an earlier test failed to make it"
                folder.mkdir()
                fill(folder)
                ready.touch()
        return folder

    return made
