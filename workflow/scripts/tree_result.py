"""Puts the trees of all families together, and writes them in every form."""

from pathlib import Path

from lineage.auditing.report.types import PassedOver
from lineage.genealogy.files import write_dot, write_graphml, write_json, write_tables
from lineage.genealogy.page.words import summary_of
from lineage.genealogy.steps.batches import source_of
from lineage.genealogy.steps.families import read_families
from lineage.genealogy.steps.together import together
from lineage.index.digest import DigestCache
from lineage.jobs.stage import stage

with stage(snakemake) as this:
    tree = together(
        snakemake.params.given,
        list(map(source_of, snakemake.params.sources)),
        read_families(Path(snakemake.input.families)),
        map(Path, snakemake.input.trees),
        DigestCache(Path("results/tree/digests")),
        snakemake.params.alpha,
        [PassedOver(**files) for files in snakemake.params.passed_over],
    )
    write_json(tree, Path(snakemake.output.tree))
    write_graphml(tree, Path(snakemake.output.graphml))
    write_dot(tree, Path(snakemake.output.dot))
    write_tables(tree, Path(snakemake.output.nodes).parent)
    this.say(summary_of(tree))
