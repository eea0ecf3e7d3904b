"""Says which models are of one family; pairs that an earlier run tested are not tested again."""

from pathlib import Path

from lineage.genealogy.families import by_rows, families_of
from lineage.genealogy.reading import without_copies
from lineage.genealogy.steps.families import Remembered, write_families
from lineage.genealogy.steps.sketches import read_written
from lineage.index.digest import DigestCache
from lineage.jobs.stage import stage

with stage(snakemake) as this:
    found, refused = read_written(map(Path, snakemake.input.models))
    models = without_copies(found)
    cache = DigestCache(Path("results/tree/digests"))
    test = Remembered(by_rows(cache, follow=False), Path(f"results/tree/pairs/{snakemake.params.code}.json"))
    families = families_of(models, test, alpha=snakemake.params.alpha, tracked=this.tracked)
    test.store()
    write_families(models, families, refused, Path(snakemake.output.families))
    this.say(f"{len(models)} models, {len(families)} families; {test.tested} pairs tested")
