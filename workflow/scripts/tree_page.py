"""Writes the page of the tree."""

from pathlib import Path

from lineage.genealogy.files import read_json
from lineage.genealogy.page.write import write_html
from lineage.jobs.stage import stage

with stage(snakemake):
    write_html(read_json(Path(snakemake.input.tree)), Path(snakemake.output.page))
