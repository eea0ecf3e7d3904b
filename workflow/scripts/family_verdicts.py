"""Audits cases whose answer is known, of all families of one architecture and width."""

from pathlib import Path

from lineage.auditing.audit import Settings
from lineage.auditing.direction import read_model
from lineage.families.cases.audited import audited_family
from lineage.families.cases.lines import cases_by_family
from lineage.families.plan import Family, folders_of
from lineage.jobs.stage import stage
from lineage.storage.family_schemas import VERDICTS
from lineage.storage.parquet import write_table

with stage(snakemake) as this:
    families = [Family(**values) for values in snakemake.params.families]
    folders = folders_of(families, snakemake.input.weights)
    model = read_model(Path(snakemake.input.direction))
    rows = []
    for family, cases in cases_by_family(families, snakemake.params.each):
        audits = audited_family(family, cases, folders, Settings(direction=model))
        rows += this.tracked(audits, f"cases of {family.id}", total=len(cases))
    for row in rows:
        row["fitted_on"] = model.fitted_on
    write_table(snakemake.output.verdicts, rows, VERDICTS, ["line", "family"])
