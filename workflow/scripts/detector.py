"""Trains one lineage detector and predicts the parents of its validation and test children."""

from lineage.detector.episodes import load_episodes
from lineage.detector.predict import predictions
from lineage.detector.stored import StoredDetector
from lineage.detector.training import TrainingConfig, train_detector
from lineage.experiment.conditions import UNSEEN, asked_of
from lineage.jobs.device import computing
from lineage.networks.architectures import seeded
from lineage.storage.hdf5 import Features, PathFeatures, Weights
from lineage.storage.parquet import write_table
from lineage.storage.schemas import HISTORY, PREDICTIONS
from lineage.types.detector import Detector
from lineage.types.evaluation import DetectorModels
from lineage.types.scoring import Network

OF_NETWORK = ("inputs", "no_parent", "width", "blocks", "crop", "alpha")
OF_TRAINING = ("epochs", "patience", "learning_rate", "batch_size")

with computing(snakemake) as run:
    params, wildcards = snakemake.params, snakemake.wildcards
    settings, models = Detector.of(params.detector), DetectorModels.of(params.models)
    seed = int(wildcards.seed)
    weights, features = Weights(snakemake.input.weights), Features(snakemake.input.features)
    on_path = PathFeatures(snakemake.input.on_path) if snakemake.input.on_path else None
    layers = [layer for layer in features.layers if layer in (settings.layers or features.layers[-1:])]
    of_network = {key: getattr(settings, key) for key in OF_NETWORK} | {"align": bool(settings.align)}
    with seeded(seed):
        detector = StoredDetector(layers=layers, pool=params.pool, **of_network).to(run.device)
    candidates = [*models.candidates, *models.unseen]
    asked = dict.fromkeys([*candidates, *(model for among in models.ancestors.values() for model in among)])
    episodes = load_episodes(
        weights,
        features,
        layers,
        list(asked),
        models.parents,
        Network.of(params.network),
        detector.kinds,
        on_path,
        align=bool(settings.align),
    )
    config = TrainingConfig(seed=seed, **{key: getattr(settings, key) for key in OF_TRAINING})
    history = train_detector(
        detector, episodes, models.parts, config, run.device, run.tracked, models.candidates
    )
    detector.save(snakemake.output.detector, **run.provenance)
    common = {"experiment": wildcards.experiment, "setting": wildcards.setting, "seed": seed}
    common["method"] = params.method
    write_table(snakemake.output.history, [common | row for row in history], HISTORY, ["epoch"])
    if models.unseen:
        tested = [child for child, part in models.parts.items() if part == "test"]
        conditions = {child: {UNSEEN: models.unseen} for child in tested}
    else:
        conditions = {
            child: asked_of(child, parent, candidates, counts=models.counts, seed=seed)
            | {
                condition: [candidate for candidate in among if candidate != child]
                for condition, among in models.ancestors.items()
            }
            for child, parent in models.parents.items()
            if models.parts[child] != "train"
        }
    rows = [
        common | row | {"part": models.parts[row["child"]]}
        for row in predictions(detector, episodes, conditions, run.device)
    ]
    write_table(snakemake.output.predictions, rows, PREDICTIONS, ["condition", "child", "candidate"])
