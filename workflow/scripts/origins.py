"""Scores every block of hybrid children against every candidate."""

from lineage.hdf5 import Weights
from lineage.origins import origin_scores
from lineage.parquet import write_table
from lineage.probe import load_probe
from lineage.schemas import BLOCK_SCORES
from lineage.stage import stage

with stage(snakemake) as run:
    params, wildcards = snakemake.params, snakemake.wildcards
    weights = Weights([snakemake.input.child_weights, *snakemake.input.candidate_weights])
    _, probe = load_probe(params.probe, params.network)
    rows = origin_scores(
        params.children, params.candidates, weights, probe, params.network, params.similarity,
        device=run.device, tracked=run.tracked,
    )  # fmt: skip
    scores = [{"experiment": wildcards.experiment, "setting": wildcards.setting} | row for row in rows]
    write_table(snakemake.output.scores, scores, BLOCK_SCORES, BLOCK_SCORES.names[:-2])
