"""Extracts candidates' features on the way to each child, each candidate first brought to the order of the child."""

from lineage.jobs.device import computing
from lineage.networks.restore import Models
from lineage.similarity.aligned import aligned_candidate
from lineage.similarity.path import path_features
from lineage.storage.hdf5 import Weights, read_probe, write_path_features
from lineage.types.scoring import Network, Tapping

with computing(snakemake) as run:
    params = snakemake.params
    _, probe = read_probe(snakemake.input.probe)
    weights = Weights(snakemake.input.weights)
    models = Models(weights=weights, network=Network.of(params.network), device=run.device)
    pairs = path_features(
        params.children, params.candidates, models, probe, Tapping.of(params.tapping), params.alpha,
        tracked=run.tracked, aligned=aligned_candidate,
    )  # fmt: skip
    write_path_features(snakemake.output.features, pairs, **run.provenance)
