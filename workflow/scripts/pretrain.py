"""Trains one root from random or pretrained weights."""

from lineage.data import load_data
from lineage.hdf5 import write_weights
from lineage.parquet import write_table
from lineage.schemas import MODELS
from lineage.stage import stage
from lineage.training import trained
from lineage.zoo import Model

with stage(snakemake) as run:
    params = snakemake.params
    model = Model(**params.model)
    images = load_data(model.recipe["data"], params.network)
    row, state = trained(model, params.network, images, None, run.device, run.tracked)
    write_weights(snakemake.output.weights, [({"id": model.id, "seed": model.seed}, state)], **run.provenance)
    write_table(
        snakemake.output.models, [row | {"experiment": snakemake.wildcards.experiment}], MODELS, ["model"]
    )
