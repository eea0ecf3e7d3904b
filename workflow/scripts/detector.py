"""Trains one lineage detector and predicts the parents of its validation and test children."""

import json

from lineage.detector import LineageDetector
from lineage.detector_training import TrainingConfig, predictions, train_detector
from lineage.episodes import load_episodes
from lineage.hdf5 import Features, Weights, write_weights
from lineage.networks import seeded
from lineage.parquet import write_table
from lineage.schemas import HISTORY, PREDICTIONS
from lineage.stage import stage

with stage(snakemake) as run:
    params, wildcards = snakemake.params, snakemake.wildcards
    weights, features = Weights(snakemake.input.weights), Features(snakemake.input.features)
    layers = params.detector["layers"] or features.layers[-1:]
    episodes = load_episodes(weights, features, layers, params.candidates, params.parent_of, params.network)
    of_network = {"layers": len(layers)} | {key: params.detector[key] for key in ("width", "blocks")}
    keys = ("epochs", "learning_rate", "batch_size", "crop")
    config = TrainingConfig(seed=params.seed, **{key: params.detector[key] for key in keys})
    with seeded(params.seed):
        detector = LineageDetector(**of_network).to(run.device)
    history = train_detector(detector, episodes, params.parts, config, run.device, run.tracked)
    described = {"id": "detector", "config": json.dumps(of_network | {"tapped": layers})}
    write_weights(snakemake.output.detector, [(described, detector.state_dict())], **run.provenance)
    common = {"experiment": wildcards.experiment, "setting": wildcards.setting, "seed": int(wildcards.seed)}
    write_table(snakemake.output.history, [common | row for row in history], HISTORY, ["epoch"])
    rows = predictions(detector, episodes, params.parts, config, run.device)
    write_table(
        snakemake.output.predictions, [common | row for row in rows], PREDICTIONS, ["child", "candidate"]
    )
