"""Turns the scores of hybrids' blocks into verdicts with probabilities, and results."""

from lineage.jobs.stage import stage
from lineage.results.evaluation.blocks import evaluated_blocks
from lineage.storage.parquet import read_tables, write_table
from lineage.storage.schemas import BLOCK_SCORES, BLOCK_SOURCES, RESULTS

with stage(snakemake) as run:
    scores = read_tables(snakemake.input.scores, BLOCK_SCORES)
    verdicts, results = evaluated_blocks(scores, snakemake.params.splits)
    run.say(f"{len(verdicts)} verdicts")
    experiment = snakemake.wildcards.experiment
    write_table(
        snakemake.output.sources,
        verdicts.assign(experiment=experiment),
        BLOCK_SOURCES,
        ["setting", "method", "seed", "child", "layer"],
    )
    order = ["setting", "method", "condition", "seed", "metric"]
    write_table(snakemake.output.results, results.assign(experiment=experiment), RESULTS, order)
