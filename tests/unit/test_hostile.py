"""Hostile files as suspects: each is refused with one line, nothing of it runs, and the memory stays small."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import hostile_archives  # noqa: F401  # adds to HOSTILE
import hostile_gguf  # noqa: F401
import hostile_graphs  # noqa: F401
import hostile_hdf5  # noqa: F401
import hostile_numpy  # noqa: F401
import hostile_onnx  # noqa: F401
import hostile_pickles  # noqa: F401
import hostile_places  # noqa: F401
import hostile_safetensors  # noqa: F401
import hostile_tflite  # noqa: F401
import hostile_trees  # noqa: F401
import pytest
from hostile import HOSTILE, MARKER
from small_networks import ROOTS, save_all

ROOT = Path(__file__).parents[2]
GIGABYTE = 2**30
AUDITS = """
import sys
from lineage.cli import main

bases, *paths = sys.argv[1:]
for path in paths:
    sys.argv = ["lineage", "audit", "--child", path, "--candidates", bases, "--no-cache"]
    code = 0
    try:
        main()
    except SystemExit as end:
        code = end.code
    print("CODE", code, path, file=sys.stderr, flush=True)

import psutil

status = open("/proc/self/status").read() if sys.platform == "linux" else ""
own = int(status.split("VmHWM:")[1].split()[0]) if status else psutil.Process().memory_info().rss // 1024
print(own)
"""
"""All in one process, so that its peak memory, in KiB, is that of the worst; getrusage would count its parent's."""


@dataclass(frozen=True)
class Audited:
    """What audits of the files ended with and said, by the file's name; the bytes of memory; and what was run."""

    codes: dict[str, int]
    said: dict[str, list[str]]
    peak: int
    ran: list[Path]


@pytest.fixture(scope="module")
def audited(tmp_path_factory) -> Audited:
    folder, bases = tmp_path_factory.mktemp("hostile"), save_all(tmp_path_factory.mktemp("bases"), ROOTS)
    for name, (make, _, _) in HOSTILE.items():
        make(folder / name)
    done = subprocess.run(
        [sys.executable, "-c", AUDITS, bases, *(folder / name for name in HOSTILE)],
        cwd=ROOT, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    codes, said, lines = {}, {}, []
    for line in done.stderr.splitlines():
        if not line.startswith("CODE"):
            lines.append(line)
            continue
        _, code, path = line.split(" ", 2)
        codes[Path(path).name], said[Path(path).name] = int(code), lines
        lines = []
    return Audited(codes, said, int(done.stdout) * 1024, list(folder.rglob(MARKER)))


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_suspect_is_refused_with_one_line(audited, name):
    _, code, words = HOSTILE[name]
    (line,) = audited.said[name]
    assert audited.codes[name] == code
    assert line.startswith("error: ")
    assert name in line
    assert words in line


def test_nothing_of_a_hostile_file_runs_and_the_memory_stays_small(audited):
    assert not audited.ran
    assert audited.peak < GIGABYTE


def test_there_are_at_least_30_hostile_files():
    assert len(HOSTILE) >= 30
