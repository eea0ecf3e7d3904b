"""The command `lineage` as users run it, in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
ENVIRONMENT = {"COLUMNS": "200", "XDG_CACHE_HOME": os.devnull + "/none"}


def run_alone(*arguments: str | Path) -> subprocess.CompletedProcess:
    """A command in a process of its own, as users run it."""
    return subprocess.run(
        [sys.executable, "-m", "lineage", *map(str, arguments)],
        cwd=ROOT,
        env=os.environ | ENVIRONMENT | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
