"""Scores one block of children against every candidate, each first brought to the order of the child."""

from lineage.jobs.device import computing
from lineage.networks.restore import Models
from lineage.similarity.aligned import aligned_candidate
from lineage.similarity.pairs import block_scores
from lineage.storage.hdf5 import Features, Weights, read_probe
from lineage.storage.parquet import write_table
from lineage.storage.schemas import SCORES
from lineage.types.scoring import Network, Similarity

with computing(snakemake) as run:
    params, wildcards = snakemake.params, snakemake.wildcards
    weights = Weights([snakemake.input.child_weights, *snakemake.input.candidate_weights])
    features = Features([snakemake.input.child_features, *snakemake.input.candidate_features])
    models = Models(weights=weights, network=Network.of(params.network), device=run.device)
    _, probe = read_probe(snakemake.input.probe)
    rows = block_scores(
        params.children, params.candidates, models, features, probe, Similarity.of(params.similarity),
        tracked=run.tracked, aligned=aligned_candidate,
    )  # fmt: skip
    scores = [{"experiment": wildcards.experiment, "setting": wildcards.setting} | row for row in rows]
    write_table(snakemake.output.scores, scores, SCORES, SCORES.names[:-1])
