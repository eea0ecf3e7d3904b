"""Trains one lineage detector on the children of all settings; it predicts parents and ancestors for each setting."""

from lineage.detector.geometry import Geometry
from lineage.detector.mixed_answers import mixed_predictions
from lineage.detector.mixed_episodes import Lines, pools_of
from lineage.detector.mixed_model import MixedNetwork
from lineage.detector.mixed_training import Children, train_mixed
from lineage.jobs.device import computing
from lineage.networks.architectures import seeded
from lineage.networks.matrices import weight_matrices
from lineage.storage.hdf5 import Weights
from lineage.storage.parquet import write_table
from lineage.storage.schemas import PREDICTIONS
from lineage.types.evaluation import MixedModels
from lineage.types.scoring import Network

with computing(snakemake) as run:
    params, seed = snakemake.params, int(snakemake.wildcards.seed)
    models, weights = MixedModels.of(params.models), Weights(snakemake.input.weights)
    run.device  # noqa: B018 - makes the job deterministic; so small a network computes on the CPU
    everyone = models.everyone
    matrices = weight_matrices(Network.of(params.network), weights(everyone[0]), params.layers)
    geometry = Geometry(
        [{model: weights.dataset(model, matrix) for model in everyone} for matrix in matrices], everyone
    )
    lines = Lines(models.parents)
    with seeded(seed):
        detector = MixedNetwork()
    children = Children(**{part: pools_of(models, lines, part) for part in ("train", "validation")})
    train_mixed(detector, geometry, lines, children, seed, run.tracked)
    common = {"experiment": snakemake.wildcards.experiment, "method": params.method, "seed": seed}
    rows = mixed_predictions(detector, geometry, lines, models, seed)
    write_table(
        snakemake.output.predictions,
        [common | row for row in rows],
        PREDICTIONS,
        ["setting", "condition", "child", "candidate"],
    )
