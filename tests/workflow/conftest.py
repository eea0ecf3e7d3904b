"""One finished run of a tiny experiment, and cheap copies of it to edit."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from checkout import TINY, Checkout, copy_repository


@pytest.fixture(scope="session", autouse=True)
def without_slurm() -> Iterator[None]:
    """No cluster is asked: each start of Snakemake would wait nine seconds for a controller that is down."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLURM_CONF", os.devnull)
        yield


@pytest.fixture(scope="session")
def repository(tmp_path_factory) -> Checkout:
    """A copy of the repository as it is, this worker's own; not to be changed."""
    return copy_repository(tmp_path_factory.mktemp("repository") / "checkout")


@pytest.fixture(scope="session")
def uninterrupted(once: Callable[[str, Callable[[Path], None]], Path]) -> tuple[Checkout, float]:
    """A finished run of the tiny experiment, all workers', not to be changed; and the seconds it took."""

    def run(folder: Path) -> None:
        checkout = copy_repository(folder / "checkout")
        checkout.path("config/config.yaml").write_text(TINY)
        (folder / "seconds").write_text(str(checkout.run_to_the_end("--cores", "2")))

    folder = once("uninterrupted", run)
    return Checkout(folder / "checkout"), float((folder / "seconds").read_text())


@pytest.fixture
def finished(uninterrupted, tmp_path) -> Iterator[Checkout]:
    """A finished run to edit."""
    folder = tmp_path / "checkout"
    shutil.copytree(uninterrupted[0].folder, folder, symlinks=True)
    yield Checkout(folder)
    shutil.rmtree(folder)


@pytest.fixture
def unstarted(finished) -> Checkout:
    """The tiny experiment before its run."""
    finished.forget_the_run()
    return finished
