"""The device under test, and the table of figures."""

import time

import pytest
import torch

from gpu import switches
from gpu.figures import Figures
from lineage.jobs.device import chosen_device, make_deterministic


def pytest_configure(config):
    """Ends in one line, without an error, where there is nothing to test on."""
    if reason := switches.why_not():
        pytest.exit(reason, returncode=0)
    make_deterministic(1)


@pytest.fixture(scope="session")
def device() -> torch.device:
    return chosen_device(switches.DEVICE)


@pytest.fixture(scope="session")
def figures(device) -> Figures:
    return Figures(None if switches.IS_TINY else switches.OUT / "bench" / "gpu.parquet", device)


@pytest.fixture(scope="module", autouse=True)
def wall_time(request, figures):
    """Seconds that each file of tests takes, as figures."""
    began = time.monotonic()
    yield
    part = request.module.__name__.rpartition("test_")[2]
    figures.add("wall time", "all", {part: time.monotonic() - began}, "s", n=1)
