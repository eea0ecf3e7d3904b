"""The family tree as a workflow: what a new model computes, and that the result is that of `lineage tree`."""

import re
import shutil
import sys
from pathlib import Path

import pandas as pd
import pytest
from safetensors.numpy import save_file

sys.path.insert(0, str(Path(__file__).parents[1] / "unit"))
from small_networks import child_of, network

pytestmark = pytest.mark.long

CONFIG = "models: models\nbatches: 2\n"


@pytest.fixture(scope="module")
def grown(repository, tmp_path_factory):
    """A checkout with a folder of two families and a file that is no model, and their tree."""
    folder = tmp_path_factory.mktemp("grown") / "checkout"
    shutil.copytree(repository.folder, folder, symlinks=True)
    (folder / "models").mkdir()
    for root in (0, 1):
        save_file(network(root), folder / "models" / f"r{root}.safetensors")
        for number in range(2):
            child = child_of(network(root), 50 + 10 * root + number)
            save_file(child, folder / "models" / f"r{root}.{number}.safetensors")
    (folder / "models" / "broken.safetensors").write_text("<html>")
    (folder / "models" / "README.md").write_text("passed over")
    (folder / "config" / "tree.yaml").write_text(CONFIG)
    checkout = type(repository)(folder)
    code, output = checkout.snakemake("-s", "tree.smk", "--cores", "2", timeout=240)
    assert code == 0, output
    return checkout


def jobs(checkout) -> set[str]:
    """Rules that a run would execute; without `all`."""
    code, output = checkout.dry_run("-s", "tree.smk", "--quiet", "host", "reason")
    assert code == 0, output
    return set(re.findall(r"^(?:local)?(?:rule|checkpoint) (\w+):$", output, re.MULTILINE)) - {"all"}


def test_the_tree_is_that_of_the_command_in_every_form(grown):
    code, output = grown.python("-m", "lineage", "tree", "models", "--no-cache", "--json", "tree.json")
    assert code == 0, output
    results = grown.results / "tree"
    assert (results / "tree.json").read_bytes() == (grown.folder / "tree.json").read_bytes()
    nodes, edges = (pd.read_parquet(results / f"{name}.parquet") for name in ("nodes", "edges"))
    assert len(nodes) == 6
    assert set(edges["child"]) <= set(nodes["id"])
    assert all((results / f"tree.{ending}").stat().st_size > 200 for ending in ("graphml", "dot", "html"))


def test_nothing_is_to_be_done_twice(grown):
    assert jobs(grown) == set()


SHOWN = {"tree_result", "tree_page"}
CODE_EDITS = {  # which families there are is known once they have been sought: until then no family's tree is planned
    "the tree of a family": ("lineage/genealogy/build.py", {"tree_family"} | SHOWN),
    "the page": ("lineage/genealogy/page/outline.py", {"tree_page"}),
    "a checkpoint format": (
        "lineage/checkpoints/formats/npz.py",
        {"tree_sketches", "tree_families"} | SHOWN,
    ),
}


@pytest.mark.parametrize(("file", "expected"), CODE_EDITS.values(), ids=CODE_EDITS.keys())
def test_edit_of_code_runs_only_what_reaches_it(grown, file, expected):
    with grown.edited(file, lambda text: f"{text}\n\nEDITED = True\n"):
        assert jobs(grown) == expected


def test_a_new_model_computes_its_own_family_alone(grown):
    trees = grown.results / "tree" / "families"
    before = {path.name: path.stat().st_mtime_ns for path in trees.iterdir()}
    save_file(child_of(network(1), 99), grown.folder / "models" / "r1.new.safetensors")
    code, output = grown.snakemake("-s", "tree.smk", "--cores", "2", timeout=240)
    assert code == 0, output
    changed = [path.name for path in trees.iterdir() if before.get(path.name) != path.stat().st_mtime_ns]
    assert [name.rpartition("-")[0] for name in changed] == ["r1"]
    tested = int(re.search(r"7 models, 2 families; (\d+) pairs? tested", output)[1])
    assert 1 <= tested <= 2
    assert "r1.new" in (grown.results / "tree" / "tree.html").read_text()


def test_a_mistake_in_the_configuration_is_one_line(grown):
    with grown.edited("config/tree.yaml", lambda text: text.replace("models: models", "models: docs")):
        code, output = grown.dry_run("-s", "tree.smk")
    assert code != 0
    assert "error: docs: expected checkpoints" in output
    assert "Traceback" not in output
