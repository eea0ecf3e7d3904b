"""Jobs, and the share of their fixed cost, for batches of 1, 10 and 50 children.

A job on SLURM costs about 16 s before it computes: Snakemake starts twice, Python imports torch. This prints, for
3 experiments of 10 parents with 50 children each in 5 settings and 3 seeds, how many jobs there are, how long
Snakemake takes to find that out (the whole dry run), and which share of all jobs' time is fixed cost when the
computing itself takes an hour, as in a first try, and when it takes a minute a child. Also written into
results/reference/batches.parquet.

    python tests/bench/batches.py
"""

import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pyarrow as pa
import yaml

from lineage.storage.parquet import write_table

ROOT = Path(__file__).parents[2]
FIXED_SECONDS = 16
EXPERIMENTS, PARENTS, CHILDREN, SETTINGS, SEEDS = 3, 10, 50, 5, 3
LIMIT = 1200
BATCHES = pa.schema(
    [
        ("children", pa.int32()),
        ("jobs", pa.int32()),
        ("fixed_hours", pa.float64()),
        ("share_of_an_hour", pa.float64()),
        ("share_at_a_minute", pa.float64()),
    ]
)


def plan(block_size: int) -> dict:
    """The experiment of config/config.yaml, repeated and enlarged."""
    text = (ROOT / "config" / "config.yaml").read_text()

    def experiment() -> dict:
        one = next(iter(yaml.safe_load(text)["experiments"].values()))
        setting = one["settings"].pop("full") | {"children": CHILDREN}
        del setting["among"], one["audit"], one["block_by"], one["detector"]["mixed"]
        one["settings"] = {f"setting-{number}": setting for number in range(SETTINGS)}
        one["roots"]["count"], one["block_size"], one["seeds"] = PARENTS, block_size, SEEDS
        return one

    return {"experiments": {f"experiment-{number}": experiment() for number in range(EXPERIMENTS)}}


def dry_run(block_size: int) -> tuple[int, float]:
    """Jobs of the plan, and seconds of the dry run."""
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "config", "config.yaml")
        config.parent.mkdir()
        config.write_text(yaml.safe_dump(plan(block_size)))
        command = ["-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--directory", folder]
        began = time.monotonic()
        said = subprocess.run(
            [sys.executable, *command, "--dry-run", "--quiet", "all"],
            cwd=folder, capture_output=True, text=True, check=True, timeout=LIMIT,
        ).stdout  # fmt: skip
        return int(re.search(r"^total +(\d+)$", said, re.MULTILINE)[1]), time.monotonic() - began


def main() -> None:
    """Prints the table, and writes it."""
    children = EXPERIMENTS * PARENTS * CHILDREN * SETTINGS
    print(
        "| children a job | jobs | dry run, s | fixed cost, h | share in 1 h of computing | at a minute a child |"
    )
    print("|---|---|---|---|---|---|")
    rows = []
    for block_size in (50, 10, 1):
        jobs, seconds = dry_run(block_size)
        fixed = jobs * FIXED_SECONDS / 3600
        shares = [fixed / (fixed + hours) for hours in (1, children / 60)]
        rows.append(dict(zip(BATCHES.names, [block_size, jobs, fixed, *shares], strict=True)))
        told = " | ".join(f"{share:.0%}" for share in shares)
        print(f"| {block_size} | {jobs} | {seconds:.1f} | {fixed:.1f} | {told} |", flush=True)
    write_table(ROOT / "results" / "reference" / "batches.parquet", rows, BATCHES, ["children"])


if __name__ == "__main__":
    main()
