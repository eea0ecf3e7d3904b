"""Audits cases whose answer is known, of one random tree."""

from pathlib import Path

from lineage.auditing.audit import Settings
from lineage.auditing.direction import read_model
from lineage.families.cases.audited import audited_family
from lineage.families.cases.random_lines import cases_of_tree
from lineage.families.random_trees import RandomTree
from lineage.jobs.stage import stage
from lineage.storage.family_schemas import VERDICTS
from lineage.storage.parquet import write_table

with stage(snakemake) as this:
    tree = RandomTree(**snakemake.params.tree)
    model = read_model(Path(snakemake.input.direction))
    cases = cases_of_tree(tree, snakemake.params.each)
    audits = audited_family(tree, cases, {tree.id: Path(snakemake.input.weights)}, Settings(direction=model))
    rows = [
        row | {"fitted_on": model.fitted_on}
        for row in this.tracked(audits, f"cases of {tree.id}", total=len(cases))
    ]
    write_table(snakemake.output.verdicts, rows, VERDICTS, ["line", "family"])
