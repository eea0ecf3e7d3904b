"""What jobs asked for beside what they used, from Snakemake's benchmark files."""

import json
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from lineage.errors import UserError

COLUMNS = {
    "rule_name": "rule",
    "jobs": "jobs",
    "mem_mb": "MB asked",
    "max_rss": "MB used",
    "memory": "% of memory",
    "runtime": "minutes asked",
    "minutes": "minutes used",
    "time": "% of time",
    "mean_load": "% of a core",
}


def usage(benchmarks: Iterable[Path]) -> pd.DataFrame:
    """One row a rule: the most that a job asked for, the most that one used, and the largest shares of a job.

    Memory is that of the job's script (resident), time that of the script; of a core: 100 is one core busy.

    Args:
        benchmarks: files that Snakemake wrote with `benchmark-extended`, one a job.

    Raises:
        UserError: if there are none, or one was written without that.
    """
    jobs = []
    for path in benchmarks:
        record = json.loads(path.read_text().splitlines()[-1])
        if "resources" not in record:
            raise UserError(
                f"{path}: expected the resources that the job asked for, but it has none; "
                "run it again with --benchmark-extended, as the profiles do"
            )
        asked = {key: record["resources"][key] for key in ("mem_mb", "runtime")}
        used = {key: record[key] for key in ("rule_name", "max_rss", "mean_load")}
        jobs.append(asked | used | {"minutes": record["s"] / 60})
    if not jobs:
        raise UserError(
            "expected benchmark files in the folder of results, but there are none; run the workflow first"
        )
    frame = pd.DataFrame(jobs)
    for column in ("max_rss", "mean_load"):
        frame[column] = pd.to_numeric(frame[column], errors="coerce")  # NA of a job too short to be looked at
    frame["memory"] = 100 * frame["max_rss"] / frame["mem_mb"]
    frame["time"] = 100 * frame["minutes"] / frame["runtime"]
    grouped = frame.groupby("rule_name", sort=True)
    table = grouped.max().assign(jobs=grouped.size()).reset_index()
    return table[list(COLUMNS)].rename(columns=COLUMNS)
