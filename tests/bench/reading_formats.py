"""Whether verdicts on one network are the same in every format that is read, and reading a large one costs little.

    python tests/bench/reading_formats.py [--large GIGABYTES, 0 for none] [--seconds 500]

Small networks of four kinds, a child of one and a stranger, each in every format against candidates in safetensors;
then a sharded checkpoint of so many gigabytes, which is audited after its bytes were read once. Minutes; with
`--seconds` it stops after so long, and the next call goes on: what is done lies in build/reading until all is.
"""

import argparse
import functools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from safetensors.numpy import save_file

sys.path.append(str(Path(__file__).parents[1] / "unit"))
from reading_networks import SHAPES, child_of, network
from reading_writers import WRITERS, written

from lineage.auditing.run import audit
from lineage.errors import UserError
from lineage.storage.parquet import write_table

OUT = Path("results/reference/bench/reading.parquet")
COLUMNS = pa.schema(
    {
        "case": pa.string(),
        "metric": pa.string(),
        "value": pa.float64(),
        "n": pa.int64(),
        "wanted": pa.string(),
        "met": pa.bool_(),
    }
)
PARTS = Path("build/reading")
SEEDS = 1
"""Of each kind of network."""
MOST_MEMORY, LEAST_SPEED = 2.0, 0.5
"""Gigabytes of an audit of a large checkpoint, and its speed as a share of reading its bytes."""
ROUNDS = 5
CANDIDATES = ("a part of it", "a stranger")
"""What the large checkpoint is audited against."""


def verdict_of(child: Path, bases: Path) -> tuple[str, str | None]:
    try:
        report = audit(child, bases, store_digests=False)
    except UserError as error:
        return f"refused: {error}", None
    return str(report.verdict), report.closest


def of_networks(kind: str, seed: int, folder: Path) -> dict[str, dict[str, bool]]:
    """By format and role, whether the verdict on a child and on a stranger is right, and that from safetensors."""
    parent, stranger = network(kind, 10 * seed), network(kind, 10 * seed + 1)
    children = {"child": child_of(parent, seed), "stranger": network(kind, 10 * seed + 2)}
    bases = folder / f"{kind}-{seed}"
    bases.mkdir()
    save_file(parent, bases / "parent.safetensors")
    save_file(stranger, bases / "other.safetensors")
    alike: dict[str, dict[str, bool]] = {}
    for role, state in children.items():
        expected = verdict_of(written("safetensors", state, folder / "file"), bases)
        right = "parent" if role == "child" else None
        for name in WRITERS:
            found = verdict_of(written(name, state, folder / "file"), bases)
            alike.setdefault(name, {})[role] = found == expected and found[1] == right
    return alike


def of_formats(done: list[dict[str, dict[str, bool]]]) -> list[dict]:
    """For each format, on what share of the networks the verdict is that from safetensors."""
    metric = "share of verdicts as from safetensors, and right"
    return [
        row(f"{name}: {role}", metric, np.mean([each[name][role] for each in done]), len(done), 1.0)
        for name in WRITERS
        for role in ("child", "stranger")
    ]


MEASURED = """
import sys
from pathlib import Path
from lineage.cli import main
try:
    main()
finally:
    said = Path("/proc/self/status").read_text().splitlines()
    print(next(line for line in said if "VmHWM" in line), file=sys.stderr)
"""
"""A command that says its peak memory: what the system says of a child counts what it was forked from."""


def of_large(gigabytes: float, folder: Path) -> list[dict]:
    """Memory and speed of audits of a sharded checkpoint, against reading its bytes, none of them in memory before.

    Medians of rounds of all three: what a first read costs differs by half from one time to the next.

    A candidate has two matrices, so that nearly all that is read is the child: two of the child's, or a stranger's,
    which the columns of all its matrices are tested against as well.
    """
    shards, place = max(2, round(2 * gigabytes)), {}
    drawn = np.random.default_rng(0).standard_normal((4096, 4096), np.float32)
    for shard in range(shards):
        tensors = {
            f"layers.{shard}.{layer}.weight": np.roll(drawn, 8 * shard + layer, axis=1)
            for layer in range(round(gigabytes / shards * 2**30 / 2**26))
        }
        save_file(tensors, folder / f"part-{shard}.safetensors")
        place |= dict.fromkeys(tensors, f"part-{shard}.safetensors")
    names = ["layers.0.0.weight", f"layers.{shards - 1}.0.weight"]
    save_file({names[0]: drawn, names[1]: np.roll(drawn, 8 * (shards - 1), axis=1)}, folder / "a part of it")
    strange = np.random.default_rng(1).standard_normal((2, 4096, 4096), np.float32)
    save_file(dict(zip(names, strange, strict=True)), folder / "a stranger")
    del tensors, strange
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": place}))
    files = sorted(folder.glob("part-*.safetensors"))
    size = sum(file.stat().st_size for file in files)
    rows, case = [], f"a sharded checkpoint of {size / 2**30:.1f} GiB"
    rounds = [
        (seconds_of_reading(files), *(audit_of_large(folder, candidate, files) for candidate in CANDIDATES))
        for _ in range(ROUNDS)
    ]
    for column, candidate in enumerate(CANDIDATES, start=1):
        against = f"of its audit against {candidate}"
        peak = max(each[column][1] for each in rounds)
        speed = float(
            np.median([each[0] for each in rounds]) / np.median([each[column][0] for each in rounds])
        )
        rows.append(row(case, f"memory {against}, GiB", peak, ROUNDS, MOST_MEMORY, is_most=True))
        rows.append(
            row(case, f"speed {against}, as a share of reading its bytes", speed, ROUNDS, LEAST_SPEED)
        )
        print(case, against, f"{peak:.2f} GiB, {speed:.2f}", flush=True)
    return rows


def seconds_of_reading(files: list[Path]) -> float:
    """What reading the bytes of files takes, none of them in memory before."""
    forget(files)
    start = time.monotonic()
    for file in files:
        with file.open("rb", buffering=0) as stream:
            while stream.read(2**24):
                pass
    print(f"reading takes {(found := time.monotonic() - start):.1f} s", flush=True)
    return found


def audit_of_large(folder: Path, candidate: str, files: list[Path]) -> tuple[float, float]:
    """The seconds and the gigabytes of an audit of the checkpoint against one candidate."""
    forget(files)
    command = ["audit", "--child", str(folder / "model.safetensors.index.json"), "--no-cache"]
    command += ["--candidates", str(folder / candidate)]
    start = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, *command], check=False, capture_output=True, text=True
    )
    seconds = time.monotonic() - start
    peak = int(done.stderr.rpartition("VmHWM:")[2].split()[0]) / 2**20
    print(f"audit against {candidate}: {seconds:.1f} s, {peak:.2f} GiB", flush=True)
    return seconds, peak


def forget(files: list[Path]) -> None:
    """Has the system write files out and drop them from memory."""
    for file in files:
        with file.open("rb") as stream:
            os.fsync(stream.fileno())
            os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def row(case: str, metric: str, value: float, n: int, wanted: float, *, is_most: bool = False) -> dict:
    met = value <= wanted if is_most else value >= wanted
    bound = f"<= {wanted:g}" if is_most else f">= {wanted:g}"
    return {"case": case, "metric": metric, "value": float(value), "n": n, "wanted": bound, "met": bool(met)}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--large", type=float, default=5.0)
    parser.add_argument("--seconds", type=float, default=1e9)
    given = parser.parse_args()
    pieces = {
        f"{kind}-{seed}": functools.partial(of_networks, kind, seed)
        for seed in range(SEEDS)
        for kind in SHAPES
    }
    networks = list(pieces)
    if given.large:
        pieces["large"] = functools.partial(of_large, given.large)
    end = time.monotonic() + given.seconds
    PARTS.mkdir(parents=True, exist_ok=True)
    for name, piece in pieces.items():
        if (PARTS / f"{name}.json").exists():
            continue
        if time.monotonic() > end:
            sys.exit(f"{name} is not done yet; run again to go on")
        with tempfile.TemporaryDirectory() as folder:
            found = piece(Path(folder))
        (PARTS / f"{name}.json").write_text(json.dumps(found))
        print(f"{name} done", flush=True)
    done = {name: json.loads((PARTS / f"{name}.json").read_text()) for name in pieces}
    rows = of_formats([done[name] for name in networks]) + done.get("large", [])
    changed = pd.read_parquet(OUT).query("case.str.startswith('changed files: ')") if OUT.exists() else None
    table = pd.concat([pd.DataFrame(rows), changed])
    write_table(OUT, table, COLUMNS, sort_by=["case", "metric"])
    print(table.to_string(index=False))
    shutil.rmtree(PARTS)
    print(f"{int(table.met.sum())} of {len(table)} met; {OUT}")


if __name__ == "__main__":
    main()
