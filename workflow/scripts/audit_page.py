"""Writes the page of the report on one child."""

from pathlib import Path

from lineage.auditing.report.bundle import read_json, write_html
from lineage.jobs.stage import stage

with stage(snakemake):
    write_html(read_json(Path(snakemake.input.report)), Path(snakemake.output.page))
