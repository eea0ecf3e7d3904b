"""Tests a row of the table of models against the rows above it."""

import json
from pathlib import Path

from lineage.auditing.table import pairs_of, tested_pairs
from lineage.checkpoints.find import Source
from lineage.index.cache import DigestCache
from lineage.jobs.stage import stage
from lineage.storage.atomic import written_whole

with stage(snakemake) as this:
    models = [Source(**row) for row in snakemake.params.models]
    pairs = this.tracked(pairs_of(models, models[-1].id), "pairs")
    tests = tested_pairs(models, pairs, DigestCache(Path("results/audit/digests")))
    with written_whole(snakemake.output.pairs) as part:
        part.write_text(json.dumps(tests) + "\n")
