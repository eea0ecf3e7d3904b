"""Fits the model of direction, for a held-out architecture on all others."""

import numpy as np

from lineage.families.direction import fitted, fitted_passage, pairs_of
from lineage.jobs.stage import stage
from lineage.storage.atomic import written_whole
from lineage.storage.family_schemas import FEATURES, PASSAGES
from lineage.storage.parquet import read_tables

with stage(snakemake) as this:
    table = read_tables(snakemake.input.features, FEATURES)
    passages = read_tables(snakemake.input.passages, PASSAGES)
    without = snakemake.wildcards.without
    pairs, features = pairs_of(table[table["architecture"] != without])
    passage = fitted_passage(
        passages[passages["architecture"] != without], error=snakemake.params.passage_error
    )
    architectures = ", ".join(sorted(pairs["architecture"].unique()))
    count = pairs["family"].nunique()
    this.say(f"{len(pairs)} pairs of {count} families and random trees: {architectures}")
    model = fitted(
        pairs,
        features,
        passage,
        error=snakemake.params.error,
        fitted_on=f"{count} families and random trees of {architectures}",
    )
    with written_whole(snakemake.output.model) as part, part.open("wb") as file:
        np.savez_compressed(file, **model.arrays())
