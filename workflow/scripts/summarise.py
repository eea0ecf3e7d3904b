"""Summarises an experiment's scores, predictions and logs as the small tables that the report reads."""

from pathlib import Path

from lineage.jobs.stage import stage
from lineage.results.summarise import tables_of, write_tables

with stage(snakemake):
    folder = Path(snakemake.output.pairs).parent
    tables = tables_of(
        snakemake.wildcards.experiment,
        outcomes=snakemake.input.outcomes,
        scores=map(Path, snakemake.input.scores),
        predictions=map(Path, snakemake.input.predictions),
        histories=map(Path, snakemake.input.histories),
        folder=folder.parent,
        configuration=snakemake.params.configuration,
    )
    write_tables(tables, folder)
