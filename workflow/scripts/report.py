"""Writes the page of results."""

from pathlib import Path

from lineage.jobs.stage import stage
from lineage.report.page import write_page

with stage(snakemake):
    write_page(Path(snakemake.output.page).parent, snakemake.output.page)
