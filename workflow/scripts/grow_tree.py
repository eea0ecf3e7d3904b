"""Grows the family tree of all of an experiment's models, from weights alone."""

import tempfile
from pathlib import Path

from lineage.auditing.direction import shipped
from lineage.checkpoints.find import models_in
from lineage.genealogy.run import tree_of
from lineage.index.digest import DigestCache
from lineage.jobs.stage import stage
from lineage.storage.parquet import write_table
from lineage.storage.schemas import PARENTS

with stage(snakemake) as run, tempfile.TemporaryDirectory() as folder:
    experiment = snakemake.wildcards.experiment
    wanted = set(snakemake.params.models)
    models = [model for path in snakemake.input.weights for model in models_in(path) if model.id in wanted]
    tree = tree_of(experiment, models, DigestCache(Path(folder)), shipped(), tracked=run.tracked)
    rows = [
        {
            "experiment": experiment,
            "child": edge.child,
            "parent": edge.parent,
            "probability": edge.probability,
        }
        for edge in tree.parents
    ]
    run.say(f"{len(models)} models, {len(tree.families)} families, {len(rows)} parents")
    write_table(snakemake.output.parents, rows, PARENTS, ["child"])
