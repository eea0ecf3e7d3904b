"""Describes relatives whose common ancestors are known, of one random tree."""

from itertools import chain
from pathlib import Path

from lineage.families.cases.audited import Bench, described_family
from lineage.families.cases.random_lines import cases_of_tree
from lineage.families.random_trees import RandomTree
from lineage.jobs.stage import stage
from lineage.storage.family_schemas import FEATURES
from lineage.storage.parquet import write_table

with stage(snakemake) as this:
    tree = RandomTree(**snakemake.params.tree)
    cases = cases_of_tree(tree)
    folders = {tree.id: Path(snakemake.input.weights)}
    found = this.tracked(
        described_family(tree, cases, folders, Bench.described), f"cases of {tree.id}", total=len(cases)
    )
    write_table(snakemake.output.features, list(chain.from_iterable(found)), FEATURES, ["line", "family"])
