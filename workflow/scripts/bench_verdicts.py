"""Says how often verdicts on families are right."""

from lineage.families.cases.scored import bench_rows
from lineage.jobs.stage import stage
from lineage.storage.family_schemas import BENCH, VERDICTS
from lineage.storage.parquet import read_tables, write_table

with stage(snakemake) as this:
    rows = list(bench_rows(read_tables(snakemake.input.verdicts, VERDICTS)))
    this.say(f"{len(rows)} numbers")
    write_table(snakemake.output.table, rows, BENCH, ["architecture", "optimiser", "case", "metric"])
