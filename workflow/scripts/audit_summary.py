"""Puts the verdicts on all children into one table."""

import json
from pathlib import Path

from lineage.auditing.report.summary import totals, write_summary
from lineage.jobs.stage import stage

with stage(snakemake) as this:
    reports = [json.loads(Path(path).read_text()) for path in snakemake.input.reports]
    frame = write_summary(reports, snakemake.params.alpha, Path(snakemake.output.summary))
    this.say(totals(frame["verdict"]))
