"""Extracts candidates' features on the way to each child of a block, for the lineage detector."""

from lineage.jobs.stage import stage
from lineage.similarity.path import path_features
from lineage.storage.hdf5 import Weights, read_probe, write_path_features
from lineage.types.scoring import Network, Tapping

with stage(snakemake) as run:
    params = snakemake.params
    _, probe = read_probe(snakemake.input.probe)
    network = Network.of(params.network)
    pairs = path_features(
        params.children, params.candidates, Weights(snakemake.input.weights), probe, network,
        Tapping.of(params.tapping), params.alpha, device=run.device, tracked=run.tracked,
    )  # fmt: skip
    write_path_features(snakemake.output.features, pairs, **run.provenance)
