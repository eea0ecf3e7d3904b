"""Fine-tunes one block of children."""

import json
from functools import lru_cache

from lineage.data.load import load_data
from lineage.experiment.zoo import Model
from lineage.jobs.device import computing
from lineage.storage.hdf5 import Weights, write_weights
from lineage.storage.parquet import write_table
from lineage.storage.schemas import MODELS
from lineage.training.fit import trained
from lineage.training.hybrids import Hybrids
from lineage.types.scoring import Network

with computing(snakemake) as run:
    params = snakemake.params
    children = [Model.of(child) for child in params.children]
    weights = Weights(snakemake.input.sources)
    inherited = lru_cache(maxsize=1)(weights)  # a parent's children come one after another
    network = Network.of(params.network)
    hybrids = Hybrids(network, weights)
    images = load_data(children[0].recipe.data, network)
    rows = []

    def states():
        """Trains each child when the file asks for it."""
        for child in run.tracked(children, "children"):
            described = {"id": child.id, "parent": child.parent, "seed": child.seed}
            if child.recipe.hybrid:
                start, source_of = hybrids(child)
                described["block_sources"] = json.dumps(source_of)
            else:
                start = inherited(child.parent)
            row, state = trained(child, network, images, start, run.device)
            rows.append(row | {"experiment": snakemake.wildcards.experiment})
            yield described, state

    write_weights(snakemake.output.weights, states(), **run.provenance)
    write_table(snakemake.output.models, rows, MODELS, ["model"])
