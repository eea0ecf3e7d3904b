"""Turns the scores of hybrids' blocks into verdicts with probabilities, and results."""

from lineage.origin_verdicts import evaluated_origins
from lineage.parquet import read_tables, write_table
from lineage.schemas import BLOCK_SCORES, ORIGINS, RESULTS
from lineage.stage import stage

with stage(snakemake) as run:
    scores = read_tables(snakemake.input.scores, BLOCK_SCORES)
    verdicts, results = evaluated_origins(scores, snakemake.params.splits)
    run.say(f"{len(verdicts)} verdicts")
    experiment = snakemake.wildcards.experiment
    write_table(
        snakemake.output.origins,
        verdicts.assign(experiment=experiment),
        ORIGINS,
        ["setting", "method", "seed", "child", "layer"],
    )
    order = ["setting", "method", "condition", "seed", "metric"]
    write_table(snakemake.output.results, results.assign(experiment=experiment), RESULTS, order)
