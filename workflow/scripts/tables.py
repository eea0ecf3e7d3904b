"""Writes the result tables."""

from pathlib import Path

from lineage.jobs.stage import stage
from lineage.results.tables import write_tables

with stage(snakemake):
    write_tables(snakemake.input.results, snakemake.input.published, Path(snakemake.output.markdown).parent)
