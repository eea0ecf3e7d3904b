"""The workflow of families on a tiny one: what is grown, and that it is grown alike each time."""

import shutil

import pandas as pd
import pytest
import yaml
from checkout import Checkout

TINY = {
    "seeds": 1,
    "architectures": ["mlp"],
    "optimisers": ["adam"],
    "widths": [{"width": 32, "epoch_steps": 1}],
}
MODELS, WEIGHTS = "results/families/tables/mlp-0.parquet", "results/families/mlp-0/mlp-adam-0"
pytestmark = pytest.mark.long


def grow(checkout: Checkout, *arguments: str) -> str:
    code, output = checkout.snakemake("-s", "families.smk", "--cores", "2", *arguments, MODELS, timeout=300)
    assert code == 0, output
    return output


@pytest.fixture(scope="module")
def grown(repository, tmp_path_factory) -> Checkout:
    """A checkout whose configuration of families is a tiny one, grown."""
    folder = tmp_path_factory.mktemp("families") / "checkout"
    shutil.copytree(repository.folder, folder, symlinks=True)
    path = folder / "config" / "families.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | {"families": TINY}))
    checkout = Checkout(folder)
    grow(checkout)
    return checkout


def test_each_row_of_the_table_has_its_file_and_nothing_is_left_to_do(grown):
    table = pd.read_parquet(grown.path(MODELS))
    assert set(table["model"]) == {path.stem for path in (grown.folder / WEIGHTS).iterdir()}
    assert (table["change"].dropna() > 0).all()
    assert "Nothing to be done" in grow(grown, "--dry-run")


def test_a_family_that_is_grown_again_has_the_same_bytes(grown):
    before = {path.name: path.read_bytes() for path in (grown.folder / WEIGHTS).iterdir()}
    grow(grown, "--force")
    assert {path.name: path.read_bytes() for path in (grown.folder / WEIGHTS).iterdir()} == before


def test_an_unknown_architecture_is_told(grown):
    wrong = grown.folder / "wrong.yaml"
    known = yaml.safe_load(grown.path("config/families.yaml").read_text())
    wrong.write_text(yaml.safe_dump(known | {"families": TINY | {"architectures": ["perceptron"]}}))
    code, output = grown.dry_run("-s", "families.smk", "--configfile", str(wrong))
    assert code != 0
    assert "perceptron" in output
