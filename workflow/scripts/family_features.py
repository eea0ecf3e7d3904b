"""Describes relatives whose common ancestors are known, of all families of one architecture and width."""

from itertools import chain

from lineage.families.cases.audited import Bench, described_family
from lineage.families.cases.lines import cases_by_family
from lineage.families.plan import Family, folders_of
from lineage.jobs.stage import stage
from lineage.storage.family_schemas import FEATURES
from lineage.storage.parquet import write_table

with stage(snakemake) as this:
    families = [Family(**values) for values in snakemake.params.families]
    folders = folders_of(families, snakemake.input.weights)
    rows = []
    for family, cases in cases_by_family(families, snakemake.params.each):
        found = this.tracked(
            described_family(family, cases, folders, Bench.described),
            f"cases of {family.id}",
            total=len(cases),
        )
        rows += chain.from_iterable(found)
    write_table(snakemake.output.features, rows, FEATURES, ["line", "family"])
