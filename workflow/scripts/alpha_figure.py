"""Draws accuracy against alpha."""

from lineage.figures import alpha_chart, save
from lineage.parquet import read_table
from lineage.schemas import CURVES
from lineage.stage import stage

with stage(snakemake):
    curves = read_table(snakemake.input.curves, CURVES)
    of_setting = curves[curves["setting"] == snakemake.wildcards.setting]
    save(alpha_chart(of_setting), snakemake.output.figure)
