"""Describes which relatives lie on the way from others to a child, of all families of one architecture and width."""

from itertools import chain

from lineage.families.cases.audited import Bench, described_family
from lineage.families.cases.lines import OF_PASSAGES, cases_by_family
from lineage.families.plan import Family, folders_of
from lineage.jobs.stage import stage
from lineage.storage.family_schemas import PASSAGES
from lineage.storage.parquet import write_table

with stage(snakemake) as this:
    families = [Family(**values) for values in snakemake.params.families]
    folders = folders_of(families, snakemake.input.weights)
    rows = []
    for family, cases in cases_by_family(families, snakemake.params.each, OF_PASSAGES):
        found = this.tracked(
            described_family(family, cases, folders, Bench.passages),
            f"cases of {family.id}",
            total=len(cases),
        )
        rows += chain.from_iterable(found)
    write_table(snakemake.output.passages, rows, PASSAGES, ["line", "family"])
