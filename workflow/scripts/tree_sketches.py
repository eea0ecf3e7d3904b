"""Reads a batch of files of models, and sums each model up for the search for families."""

from pathlib import Path

from lineage.genealogy.reading import read_each
from lineage.genealogy.steps.batches import source_of
from lineage.genealogy.steps.sketches import write_models
from lineage.index.digest import DigestCache
from lineage.jobs.stage import stage

with stage(snakemake) as this:
    sources = list(map(source_of, snakemake.params.sources))
    models, refused = read_each(sources, DigestCache(Path("results/tree/digests")), tracked=this.tracked)
    write_models(models, refused, Path(snakemake.output.models))
