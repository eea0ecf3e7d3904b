"""One finished run of a tiny experiment, and cheap copies of it to edit."""

import shutil
from collections.abc import Iterator

import pytest
from checkout import TINY, Checkout, copy_repository


@pytest.fixture(scope="session")
def repository(tmp_path_factory) -> Checkout:
    """A copy of the repository as it is, not to be changed."""
    return copy_repository(tmp_path_factory.mktemp("repository") / "checkout")


@pytest.fixture(scope="session")
def uninterrupted(tmp_path_factory) -> Iterator[tuple[Checkout, float]]:
    """A finished run of the tiny experiment, not to be changed, and the seconds it took."""
    checkout = copy_repository(tmp_path_factory.mktemp("uninterrupted") / "checkout")
    checkout.path("config/config.yaml").write_text(TINY)
    yield checkout, checkout.run_to_the_end("--cores", "2")
    shutil.rmtree(checkout.folder)


@pytest.fixture
def finished(uninterrupted, tmp_path) -> Iterator[Checkout]:
    """A finished run to edit."""
    folder = tmp_path / "checkout"
    shutil.copytree(uninterrupted[0].folder, folder, symlinks=True)
    yield Checkout(folder)
    shutil.rmtree(folder)


@pytest.fixture
def unstarted(uninterrupted, tmp_path) -> Iterator[Checkout]:
    """The tiny experiment before its run."""
    folder = tmp_path / "checkout"
    shutil.copytree(uninterrupted[0].folder, folder, symlinks=True)
    checkout = Checkout(folder)
    checkout.forget_the_run()
    yield checkout
    shutil.rmtree(folder)
