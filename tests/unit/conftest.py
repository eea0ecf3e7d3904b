"""What the tests of a stage and of its device share."""

from types import SimpleNamespace

import pytest


@pytest.fixture
def snakemake(tmp_path):
    """What Snakemake hands to a script, as far as stages use it."""
    return SimpleNamespace(
        rule="finetune",
        wildcards=["toy", "full", "p0"],
        threads=2,
        resources={},
        params=SimpleNamespace(device="cpu", threads=1, code="abc"),
        log=SimpleNamespace(text=str(tmp_path / "job.log"), time=str(tmp_path / "job.time.json")),
    )
