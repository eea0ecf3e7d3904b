"""Writes the result tables."""

from pathlib import Path

from lineage.stage import stage
from lineage.tables import write_tables

with stage(snakemake):
    write_tables(snakemake.input.results, snakemake.input.published, Path(snakemake.output.markdown).parent)
