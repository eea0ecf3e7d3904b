"""The family tree of a folder on SLURM: families are sought by a job, and their trees are planned after it."""

import sys
from pathlib import Path

from checkout import copy_repository
from safetensors.numpy import save_file

from .runs import jobs_of, run_to_the_end

sys.path.insert(0, str(Path(__file__).parents[1] / "unit"))
from small_networks import child_of, network


def test_the_tree_is_that_of_the_command(cluster, shared):
    checkout = copy_repository(shared / "tree")
    models = checkout.folder / "models"
    models.mkdir()
    save_file(network(0), models / "r0.safetensors")
    for number in range(2):
        save_file(child_of(network(0), 50 + number), models / f"r0.{number}.safetensors")
    (checkout.folder / "config" / "tree.yaml").write_text("models: models\nbatches: 1\n")
    run_to_the_end(checkout, "-s", "tree.smk")
    assert len(jobs_of(checkout, "COMPLETED")) == len(jobs_of(checkout)) == 3
    code, output = checkout.python("-m", "lineage", "tree", "models", "--no-cache", "--json", "tree.json")
    assert code == 0, output
    found = checkout.results / "tree" / "tree.json"
    assert found.read_bytes() == (checkout.folder / "tree.json").read_bytes()
