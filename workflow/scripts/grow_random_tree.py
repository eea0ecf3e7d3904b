"""Trains the networks of a random tree."""

from pathlib import Path

from lineage.families.grow_trees import grow_tree
from lineage.families.random_trees import RandomTree
from lineage.jobs.device import computing

with computing(snakemake) as this:
    this.say(f"computes on {this.device}")
    tree = RandomTree(**snakemake.params.tree)
    for _ in grow_tree(tree, Path(snakemake.output.weights), this.say):
        pass
