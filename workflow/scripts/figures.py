"""Draws every figure as SVG, PDF and PNG."""

from pathlib import Path

from lineage.jobs.stage import stage
from lineage.report.files import write_figures

with stage(snakemake):
    folder = Path(snakemake.output.folder)
    write_figures(folder.parent, folder)
