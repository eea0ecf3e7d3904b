"""Trains one root from random or pretrained weights."""

from lineage.data.load import load_data
from lineage.experiment.zoo import Model
from lineage.jobs.device import computing
from lineage.storage.hdf5 import write_weights
from lineage.storage.parquet import write_table
from lineage.storage.schemas import MODELS
from lineage.training.fit import trained
from lineage.types.scoring import Network

with computing(snakemake) as run:
    params = snakemake.params
    model = Model.of(params.model)
    network = Network.of(params.network)
    images = load_data(model.recipe.data, network)
    row, state = trained(model, network, images, None, run.device, run.tracked)
    write_weights(snakemake.output.weights, [({"id": model.id, "seed": model.seed}, state)], **run.provenance)
    write_table(
        snakemake.output.models, [row | {"experiment": snakemake.wildcards.experiment}], MODELS, ["model"]
    )
