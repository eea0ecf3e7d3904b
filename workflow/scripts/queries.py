"""Chooses the queries that the children of a setting are asked, for their candidates, and commits to them."""

from pathlib import Path

import torch

from lineage.asking.choosing.candidates import Size, from_states
from lineage.asking.choosing.choose import chosen_for
from lineage.asking.files import write_query_set
from lineage.data.load import load_data
from lineage.jobs.stage import stage
from lineage.networks.restore import Models
from lineage.storage.hdf5 import Weights
from lineage.types.scoring import Data, Network

with stage(snakemake) as run:
    params = snakemake.params
    torch.set_num_threads(1)
    network, data = Network.of(params.network), Data.of(params.data)
    models = Models(weights=Weights(snakemake.input.weights), network=network, device=torch.device("cpu"))
    size = Size(
        image_size=network.image_size,
        channels=network.channels,
        mean=network.mean and list(network.mean),
        std=network.std and list(network.std),
    )
    candidates = from_states(params.candidates, models.restored, size)
    images = load_data(data, network)
    queries = chosen_for(candidates, [], images, data.source, budget=params.queries, size=size, say=run.say)
    write_query_set(queries, Path(snakemake.output.manifest).parent)
    run.say(f"commitment: {queries.commitment}")
