"""Draws every figure as SVG, PDF and PNG."""

from pathlib import Path

from lineage.report.files import write_figures
from lineage.stage import stage

with stage(snakemake):
    folder = Path(snakemake.output.folder)
    write_figures(folder.parent, folder)
