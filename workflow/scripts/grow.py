"""Trains the networks of some families."""

from pathlib import Path

from lineage.families.grow import grow
from lineage.families.plan import Family
from lineage.jobs.device import computing
from lineage.storage.family_schemas import GROWN
from lineage.storage.parquet import write_table

with computing(snakemake) as this:
    this.say(f"computes on {this.device}")
    rows = []
    for values in this.tracked(snakemake.params.families, "families"):
        family = Family(**values)
        rows += grow(family, Path(snakemake.output.weights, family.id), this.say)
    write_table(snakemake.output.models, rows, GROWN, ["family", "model"])
