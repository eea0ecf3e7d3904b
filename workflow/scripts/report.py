"""Writes the page of results."""

from pathlib import Path

from lineage.report.page import write_page
from lineage.stage import stage

with stage(snakemake):
    write_page(Path(snakemake.output.page).parent, snakemake.output.page)
