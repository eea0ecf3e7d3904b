"""Fine-tunes one block of children."""

from lineage.data import load_data
from lineage.hdf5 import Weights, write_weights
from lineage.parquet import write_table
from lineage.schemas import MODELS
from lineage.stage import stage
from lineage.training import trained
from lineage.zoo import Model

with stage(snakemake) as run:
    params = snakemake.params
    children = [Model(**child) for child in params.children]
    parents = Weights(snakemake.input.parents)
    images = load_data(children[0].recipe["data"], params.network)
    rows = []

    def states():
        """Trains each child when the file asks for it."""
        for child in run.tracked(children, "children"):
            row, state = trained(child, params.network, images, parents(child.parent), run.device)
            rows.append(row | {"experiment": snakemake.wildcards.experiment})
            yield {"id": child.id, "parent": child.parent, "seed": child.seed}, state

    write_weights(snakemake.output.weights, states(), **run.provenance)
    write_table(snakemake.output.models, rows, MODELS, ["model"])
