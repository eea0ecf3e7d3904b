"""The public names have types: mypy --strict finds nothing in them, and finds the mistakes of a client."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
CHECKED = (
    "lineage/__init__.pyi",
    "lineage/errors.py",
    "lineage/auditing/run.py",
    "lineage/detector/file.py",
    "lineage/detector/stored.py",
    "lineage/similarity/inputs.py",
    "lineage/similarity/score.py",
    "tests/typing/client.py",
)


def test_the_public_names_and_their_client_pass_mypy_strict():
    """What mypy learned of PyTorch and the others stays in its cache: the first time takes half a minute."""
    strict = ["--strict", "--follow-imports=silent", f"--cache-dir={ROOT / '.mypy_cache'}"]
    found = subprocess.run(
        [sys.executable, "-m", "mypy", *strict, *CHECKED],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert found.returncode == 0, found.stdout + found.stderr
