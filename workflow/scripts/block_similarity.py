"""Scores every block of hybrid children against every candidate."""

from lineage.jobs.stage import stage
from lineage.similarity.blocks import block_scores
from lineage.storage.hdf5 import Weights, read_probe
from lineage.storage.parquet import write_table
from lineage.storage.schemas import BLOCK_SCORES
from lineage.types.scoring import Network, Similarity

with stage(snakemake) as run:
    params, wildcards = snakemake.params, snakemake.wildcards
    weights = Weights([snakemake.input.child_weights, *snakemake.input.candidate_weights])
    network = Network.of(params.network)
    _, probe = read_probe(snakemake.input.probe)
    rows = block_scores(
        params.children, params.candidates, weights, probe, network, Similarity.of(params.similarity),
        device=run.device, tracked=run.tracked,
    )  # fmt: skip
    scores = [{"experiment": wildcards.experiment, "setting": wildcards.setting} | row for row in rows]
    write_table(snakemake.output.scores, scores, BLOCK_SCORES, BLOCK_SCORES.names[:-2])
