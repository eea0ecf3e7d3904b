"""Audits every test child of a setting, from weights alone, under every condition and without its parent."""

import tempfile
from pathlib import Path

from lineage.auditing.audit import Auditor
from lineage.checkpoints.find import sources_in_file
from lineage.experiment.conditions import ABSENT
from lineage.index.digest import DigestCache
from lineage.jobs.stage import stage
from lineage.storage.parquet import write_table
from lineage.storage.schemas import AUDITS

with stage(snakemake) as run, tempfile.TemporaryDirectory() as folder:
    cache = DigestCache(Path(folder))
    found = {source.id: source for path in snakemake.input.weights for source in sources_in_file(path)}
    rows = []
    for child, parent in run.tracked(snakemake.params.parents.items(), "children"):
        asked = {name: set(ids) - {child} for name, ids in snakemake.params.among.items()}
        standard = next(iter(asked.values()))
        auditor = Auditor(found[child].path, cache=cache)
        for condition, ids in (asked | {ABSENT: standard - {parent}}).items():
            candidates = [found[model] for model in sorted(ids)]
            verdict = auditor.audit(candidates).verdict
            rows.append(
                {
                    "experiment": snakemake.wildcards.experiment,
                    "setting": snakemake.wildcards.setting,
                    "condition": condition,
                    "child": child,
                    "candidates": len(candidates),
                    "verdict": str(verdict.word),
                    "closest": verdict.closest,
                    "parent": verdict.parent,
                }
            )
    write_table(snakemake.output.audits, rows, AUDITS, ["condition", "child"])
