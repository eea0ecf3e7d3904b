"""Lets a detector that was trained on one fine-tuning setting answer for the children of another."""

from lineage.detector.episodes import load_episodes
from lineage.detector.predict import predictions
from lineage.detector.stored import StoredDetector
from lineage.experiment.conditions import trained_on
from lineage.jobs.device import computing
from lineage.storage.hdf5 import Features, PathFeatures, Weights
from lineage.storage.parquet import write_table
from lineage.storage.schemas import PREDICTIONS
from lineage.types.scoring import Network

with computing(snakemake) as run:
    params, wildcards = snakemake.params, snakemake.wildcards
    detector = StoredDetector.load(snakemake.input.detector).to(run.device)
    episodes = load_episodes(
        Weights(snakemake.input.weights),
        Features(snakemake.input.features),
        detector.layers,
        params.candidates,
        params.parents,
        Network.of(params.network),
        detector.kinds,
        PathFeatures(snakemake.input.on_path) if snakemake.input.on_path else None,
        align="align" in detector.config,
    )
    condition = trained_on(wildcards.trained_on)
    conditions = {child: {condition: params.candidates} for child in params.parents}
    common = {"experiment": wildcards.experiment, "setting": wildcards.setting, "seed": int(wildcards.seed)}
    common |= {"method": "detector", "part": "test"}
    rows = predictions(detector, episodes, conditions, run.device)
    write_table(
        snakemake.output.predictions, [common | row for row in rows], PREDICTIONS, ["child", "candidate"]
    )
