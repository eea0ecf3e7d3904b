"""Says which model a child comes from, from pairs that earlier jobs tested."""

from pathlib import Path

from lineage.auditing.report.bundle import write_json
from lineage.auditing.table import audited
from lineage.checkpoints.find import Source
from lineage.index.digest import DigestCache
from lineage.jobs.stage import stage

with stage(snakemake) as this:
    models = [Source(**row) for row in snakemake.params.models]
    report = audited(
        models,
        snakemake.wildcards.child,
        map(Path, snakemake.input.pairs),
        DigestCache(Path("results/audit/digests")),
        snakemake.params.alpha,
    )
    write_json(report, Path(snakemake.output.report))
    this.say(report.headline)
