"""Scores every block of hybrid children against every candidate."""

from lineage.jobs.device import computing
from lineage.networks.restore import Models
from lineage.similarity.blocks import hybrid_scores
from lineage.storage.hdf5 import Weights, read_probe
from lineage.storage.parquet import write_table
from lineage.storage.schemas import BLOCK_SCORES
from lineage.types.scoring import Network, Similarity

with computing(snakemake) as run:
    params, wildcards = snakemake.params, snakemake.wildcards
    weights = Weights([snakemake.input.child_weights, *snakemake.input.candidate_weights])
    models = Models(weights=weights, network=Network.of(params.network), device=run.device)
    _, probe = read_probe(snakemake.input.probe)
    rows = hybrid_scores(
        params.children, params.candidates, models, probe, Similarity.of(params.similarity), tracked=run.tracked
    )  # fmt: skip
    scores = [{"experiment": wildcards.experiment, "setting": wildcards.setting} | row for row in rows]
    write_table(snakemake.output.scores, scores, BLOCK_SCORES, BLOCK_SCORES.names[:-2])
