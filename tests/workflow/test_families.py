"""The workflow of families on a tiny one: from its configuration to the table of how often verdicts are right."""

import shutil

import pandas as pd
import pytest
from checkout import Checkout

TINY = """
families:
  seeds: 1
  architectures: [mlp]
  optimisers: [adam]
  widths: [{width: 32, epoch_steps: 1}]
cases: {each: 1, of_wide: 1, wide_from: 256, of_model: 1}
model: shipped
error: 0.01
"""
GROWN = "results/families/mlp-0/mlp-adam-0"
pytestmark = [pytest.mark.xdist_group("families"), pytest.mark.long]


@pytest.fixture(scope="module")
def benched(repository, tmp_path_factory) -> tuple[Checkout, str]:
    """A finished run, and what it printed."""
    folder = tmp_path_factory.mktemp("families") / "checkout"
    shutil.copytree(repository.folder, folder, symlinks=True)
    checkout = Checkout(folder)
    (folder / "config" / "families.yaml").write_text(TINY)
    code, output = checkout.snakemake("-s", "families.smk", "--cores", "2", timeout=300)
    assert code == 0, output
    return checkout, output


def test_the_table_is_written_and_printed(benched):
    checkout, output = benched
    table = pd.read_parquet(checkout.path("results/families/verdicts.parquet"))
    overall = table[(table["architecture"] == "all") & (table["optimiser"] == "all")]
    shares = overall[overall["low"].notna()]
    assert ((shares["low"] <= shares["value"]) & (shares["value"] <= shares["high"])).all()
    assert all(f"| {case} " in output for case in overall["case"])


def test_afterwards_there_is_nothing_to_do(benched):
    code, output = benched[0].snakemake("-s", "families.smk", "--dry-run")
    assert code == 0
    assert "Nothing to be done" in output


def test_a_family_that_is_grown_again_has_the_same_bytes(benched):
    checkout, _ = benched
    before = {path.name: path.read_bytes() for path in (checkout.folder / GROWN).iterdir()}
    command = ("-s", "families.smk", "--cores", "2", "--force", "results/families/tables/mlp-0.parquet")
    code, output = checkout.snakemake(*command, timeout=300)
    assert code == 0, output
    assert {path.name: path.read_bytes() for path in (checkout.folder / GROWN).iterdir()} == before


def test_an_unknown_architecture_is_told(benched):
    checkout, _ = benched
    config = checkout.folder / "wrong.yaml"
    config.write_text(TINY.replace("[mlp]", "[perceptron]"))
    code, output = checkout.snakemake("-s", "families.smk", "--dry-run", "--configfile", str(config))
    assert code != 0
    assert "perceptron" in output
