"""Tests a row of the table of models against the rows above it."""

import json
from pathlib import Path

from lineage.auditing.pair_tests import tested_pairs
from lineage.index.digest import DigestCache
from lineage.jobs.stage import stage
from lineage.storage.atomic import written_whole

with stage(snakemake) as this:
    pairs = this.tracked(snakemake.params.pairs, "pairs")
    cache = DigestCache(Path("results/audit/digests"))
    tests = tested_pairs(snakemake.params.paths, pairs, cache, this.say)
    with written_whole(snakemake.output.pairs) as part:
        part.write_text(json.dumps(tests) + "\n")
