"""Turns an experiment's scores and predictions into verdicts and results."""

import pandas as pd

from lineage.edges import edges, kinship
from lineage.evaluation import alpha_curves, evaluated
from lineage.parquet import read_table, write_table
from lineage.schemas import CURVES, EDGES, OUTCOMES, PREDICTIONS, RESULTS, SCORES
from lineage.stage import stage

ALL = "all"
"""The setting's name in results over all of an experiment's children."""

with stage(snakemake) as run:
    scores = pd.concat(read_table(path, SCORES) for path in snakemake.input.scores)
    of_detectors = [read_table(path, PREDICTIONS) for path in snakemake.input.predictions]
    predictions = pd.concat(of_detectors) if of_detectors else PREDICTIONS.empty_table().to_pandas()
    outcomes, results = evaluated(scores, predictions, snakemake.params.settings)
    network = edges(outcomes, snakemake.params.generations)
    if max(snakemake.params.generations.values()) > 2:
        results = pd.concat([results, pd.DataFrame(kinship(network)).assign(setting=ALL)])
    run.say(f"{len(outcomes)} verdicts")
    experiment = snakemake.wildcards.experiment
    order = ["setting", "method", "condition", "seed"]
    write_table(
        snakemake.output.outcomes, outcomes.assign(experiment=experiment), OUTCOMES, [*order, "child"]
    )
    write_table(snakemake.output.edges, network.assign(experiment=experiment), EDGES, ["method", "child"])
    write_table(snakemake.output.results, results.assign(experiment=experiment), RESULTS, [*order, "metric"])
    curves = [
        {"experiment": experiment, "setting": setting} | row
        for setting, zoo in snakemake.params.settings.items()
        for row in alpha_curves(scores[scores["setting"] == setting], zoo["parents"])
    ]
    write_table(snakemake.output.curves, curves, CURVES, CURVES.names[:-2])
