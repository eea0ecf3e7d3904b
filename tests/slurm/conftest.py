"""The laptop's run that every run on SLURM has to equal, and the clusters."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from checkout import TINY, Checkout, copy_repository

from .cluster import Cluster, reason_against
from .runs import DEFAULT, LIMIT


@pytest.fixture(scope="session")
def shared() -> Iterator[Path]:
    """A folder that every user may enter, with a space in its name."""
    base = Path(tempfile.mkdtemp(prefix="lineage-slurm-"))
    base.chmod(0o755)
    folder = base / "a shared folder"
    folder.mkdir()
    yield folder
    shutil.rmtree(base)


@pytest.fixture(scope="session")
def laptop(shared) -> Checkout:
    """A finished run without SLURM, of the tiny experiment with `device: auto`; not to be changed."""
    checkout = copy_repository(shared / "laptop")
    if not DEFAULT:
        config = yaml.safe_load(TINY) | {"device": "auto"}
        checkout.path("config/config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    checkout.run_to_the_end("--cores", "2", timeout=LIMIT)
    return checkout


@pytest.fixture
def finished(laptop, shared, request) -> Iterator[Checkout]:
    """A copy of the laptop's run to go on with on SLURM."""
    folder = shared / request.node.name
    shutil.copytree(laptop.folder, folder, symlinks=True)
    yield Checkout(folder)
    shutil.rmtree(folder)


def running(*, accounting: bool) -> Iterator[Cluster]:
    """A cluster while a module's tests run."""
    if reason := reason_against(accounting=accounting):
        pytest.skip(reason)
    folder = Path(tempfile.mkdtemp(prefix="lineage-slurm-"))
    folder.chmod(0o755)
    cluster = Cluster(folder, accounting=accounting)
    yield cluster
    cluster.stop()
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A cluster without accounting."""
    yield from running(accounting=False)


@pytest.fixture(scope="module")
def accounting_cluster() -> Iterator[Cluster]:
    """A cluster with accounting."""
    yield from running(accounting=True)
