"""Turns an experiment's scores and predictions into verdicts and results."""

import pandas as pd

from lineage.jobs.stage import stage
from lineage.results.evaluation.edges import edges, precision_and_recall
from lineage.results.evaluation.named import all_named, of_answers, of_audits, of_tree
from lineage.results.evaluation.outcomes import alpha_curves, evaluated
from lineage.storage.parquet import read_table, read_tables, write_table
from lineage.storage.schemas import (
    ANSWERED,
    AUDITS,
    CURVES,
    EDGES,
    OUTCOMES,
    PARENTS,
    PREDICTIONS,
    RESULTS,
    SCORES,
)
from lineage.types.evaluation import Evaluated

ALL = "all"
"""The setting's name in results over all of an experiment's children."""

with stage(snakemake) as run:
    scores = read_tables(snakemake.input.scores, SCORES)
    predictions = read_tables(snakemake.input.predictions, PREDICTIONS)
    audits = read_tables(snakemake.input.audits, AUDITS)
    answered = read_tables(snakemake.input.answers, ANSWERED)
    trees = [read_table(path, PARENTS) for path in snakemake.input.tree]
    of_blocks = [read_table(path, RESULTS) for path in snakemake.input.blocks]
    settings = {name: Evaluated.of(models) for name, models in snakemake.params.settings.items()}
    named = all_named(of_audits(audits), of_answers(answered), *(of_tree(tree, settings) for tree in trees))
    outcomes, results = evaluated(scores, predictions, named, settings)
    generations = snakemake.params.generations
    network = edges(outcomes, generations)
    if max(generations.values(), default=0) > 2:
        results = pd.concat([results, pd.DataFrame(precision_and_recall(network)).assign(setting=ALL)])
    run.say(f"{len(outcomes)} verdicts")
    experiment = snakemake.wildcards.experiment
    order = ["setting", "method", "condition", "seed"]
    write_table(
        snakemake.output.outcomes, outcomes.assign(experiment=experiment), OUTCOMES, [*order, "child"]
    )
    write_table(snakemake.output.edges, network.assign(experiment=experiment), EDGES, ["method", "child"])
    results = pd.concat([results.assign(experiment=experiment), *of_blocks])
    write_table(snakemake.output.results, results, RESULTS, [*order, "metric"])
    curves = [
        {"experiment": experiment, "setting": setting} | row
        for setting, models in settings.items()
        for row in alpha_curves(
            scores[(scores["setting"] == setting) & scores["candidate"].isin(models.candidates)],
            models.parents,
        )
    ]
    write_table(snakemake.output.curves, curves, CURVES, CURVES.names[:-2])
