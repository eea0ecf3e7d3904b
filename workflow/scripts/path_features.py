"""Extracts candidates' features on the way to each child of a block, for the lineage detector."""

from lineage.data.probe import load_probe
from lineage.jobs.stage import stage
from lineage.similarity.path import path_features
from lineage.storage.hdf5 import Weights, write_path_features
from lineage.types.inputs import Network, Probe

with stage(snakemake) as run:
    params = snakemake.params
    network = Network.of(params.network)
    _, probe = load_probe(Probe.of(params.probe), network)
    pairs = path_features(
        params.children, params.candidates, Weights(snakemake.input.weights), probe, network,
        params.features, params.alpha, device=run.device, tracked=run.tracked,
    )  # fmt: skip
    write_path_features(snakemake.output.features, pairs, **run.provenance)
