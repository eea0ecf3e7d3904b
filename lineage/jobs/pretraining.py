"""The stage that trains one root, from random weights or from others."""

from typing import Any

from lineage.data.load import load_data
from lineage.experiment.zoo import Model
from lineage.jobs.device import computing
from lineage.storage.hdf5 import write_weights
from lineage.storage.parquet import write_table
from lineage.storage.schemas import MODELS
from lineage.training.fit import Start, trained
from lineage.types.scoring import Network


def pretrain(snakemake: Any, start: Start | None = None) -> None:
    """Trains the root of a job.

    Args:
        snakemake: the job; start: gives the root the weights that its recipe names, if it names any.
    """
    with computing(snakemake) as run:
        params = snakemake.params
        model = Model.of(params.model)
        network = Network.of(params.network)
        images = load_data(model.recipe.data, network)
        row, state = trained(model, network, images, None, run.device, run.tracked, start)
        write_weights(
            snakemake.output.weights, [({"id": model.id, "seed": model.seed}, state)], **run.provenance
        )
        write_table(
            snakemake.output.models, [row | {"experiment": snakemake.wildcards.experiment}], MODELS, ["model"]
        )
