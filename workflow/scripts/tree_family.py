"""Says who was trained from whom in one family."""

from pathlib import Path

from lineage.auditing.direction import shipped
from lineage.genealogy.files import write_json
from lineage.genealogy.steps.batches import source_of
from lineage.genealogy.steps.together import tree_of_family
from lineage.index.digest import DigestCache
from lineage.jobs.stage import stage

with stage(snakemake) as this:
    sources = list(map(source_of, snakemake.params.sources))
    cache = DigestCache(Path("results/tree/digests"))
    tree = tree_of_family(snakemake.wildcards.family, sources, cache, shipped(), this.tracked)
    write_json(tree, Path(snakemake.output.tree))
