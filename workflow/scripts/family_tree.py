"""Finds the family tree of all of an experiment's models, from weights alone."""

import tempfile
from pathlib import Path

from lineage.auditing.direction import shipped
from lineage.checkpoints.find import sources_in_file
from lineage.errors import UserError
from lineage.genealogy.run import tree_of
from lineage.index.digest import DigestCache
from lineage.jobs.stage import stage
from lineage.storage.parquet import write_table
from lineage.storage.schemas import PARENTS

with stage(snakemake) as run, tempfile.TemporaryDirectory() as folder:
    experiment = snakemake.wildcards.experiment
    found = {source.id: source for path in snakemake.input.weights for source in sources_in_file(path)}
    models = [found[id] for id in snakemake.params.models]
    tree = tree_of(experiment, models, DigestCache(Path(folder)), shipped(), tracked=run.tracked)
    for reason in tree.refused.values():
        raise UserError(reason)
    copies = {node.id: node.copies for node in tree.nodes}
    rows = [
        {"experiment": experiment, "child": child, "parent": edge.parent, "probability": edge.probability}
        for edge in tree.sure_edges
        for child in (edge.child, *copies[edge.child])
    ]
    run.say(f"{len(models)} models, {len(tree.families)} families, {len(rows)} parents")
    write_table(snakemake.output.parents, rows, PARENTS, ["child"])
