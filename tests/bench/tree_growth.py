"""What a new model costs a tree of 500: a run from nothing, a run with nothing to do, and one after a model is added.

    python tests/bench/tree_growth.py [--families 20] [--members 25] [--folder FOLDER]

Jobs' seconds are their own, as they log them, without starting Python; the command's are those of the wall and of the
processor, with all that it started. In a folder of one's own, a bench that was cut off goes on where it was.
"""

import argparse
import json
import resource
import shutil
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from safetensors.numpy import save_file

sys.path.insert(0, str(Path(__file__).parents[1]))
from checkout import Checkout, copy_repository

LAYERS = ((96, 64), (96, 96), (64, 96), (10, 64))
"""Rows and columns of a network's matrices."""
STRENGTH = 0.3
"""Of a child's change, relative to its parent's weights."""


def changed(tensors: dict[str, np.ndarray] | None, seed: int) -> dict[str, np.ndarray]:
    """A child of a network, or without one a network."""
    draw = np.random.default_rng(seed)
    found = {}
    for number, shape in enumerate(LAYERS):
        values = draw.standard_normal(shape, np.float32)
        low_rank = draw.standard_normal((shape[0], 4), np.float32) @ draw.standard_normal(
            (4, shape[1]), np.float32
        )
        name = f"layer{number}.weight"
        found[name] = values if tensors is None else tensors[name] + np.float32(STRENGTH / 2) * low_rank
    return found


def grow(folder: Path, families: int, members: int) -> Path:
    """Writes families of networks, each child from a random earlier one of its family; gives the file to be added."""
    draw = np.random.default_rng(0)
    folder.mkdir()
    for family in range(families):
        known = [changed(None, 10_000 * (family + 1))]
        for number in range(1, members + (family == 0)):
            known.append(changed(known[draw.integers(len(known))], 10_000 * (family + 1) + number))
        for number, tensors in enumerate(known):
            save_file(tensors, folder / f"f{family:03d}.m{number:03d}.safetensors")
    return folder / f"f000.m{members:03d}.safetensors"


def run(checkout: Checkout, since: float) -> dict[str, float]:
    """Runs the workflow; gives jobs since a time, their seconds, those of families alone, and the command's."""
    before, wall = core_seconds(), time.monotonic()
    code, output = checkout.snakemake("-s", "tree.smk", "--cores", "1", timeout=7200)
    if code:
        sys.exit(output)
    found = {"command: core-seconds": core_seconds() - before, "command: seconds": time.monotonic() - wall}
    logs = [
        path for path in checkout.results.glob("logs/tree/**/*.time.json") if path.stat().st_mtime >= since
    ]
    records = [json.loads(path.read_text()) for path in logs]
    of_families = [record["compute"] for record in records if record["rule"] == "tree_family"]
    return found | {
        "jobs": len(records),
        "job seconds": sum(record["compute"] for record in records),
        "families": len(of_families),
        "family seconds": sum(of_families),
    }


def core_seconds() -> float:
    """Of all commands so far."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--families", type=int, default=20)
    parser.add_argument("--members", type=int, default=25)
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.folder or Path(temporary)
        checkout, new = Checkout(folder / "checkout"), folder / "new.safetensors"
        if not new.exists():
            copy_repository(checkout.folder)
            (checkout.folder / "config" / "tree.yaml").write_text("models: models\n")
            grow(checkout.folder / "models", given.families, given.members).rename(new)
        rows = {"from nothing": run(checkout, 0), "nothing to do": run(checkout, time.time())}
        began = time.time()
        shutil.copy(new, checkout.folder / "models" / f"f000.m{given.members:03d}.safetensors")
        rows["one model added"] = run(checkout, began)
        tree = json.loads((checkout.results / "tree" / "tree.json").read_text())
    table = pd.DataFrame(rows).T
    print(f"{given.families} families of {given.members} models, then one more: {len(tree['nodes'])} nodes\n")
    print(table.round(1).to_markdown())
    own, everything = table.loc["one model added"], table.loc["from nothing"]
    print(f"\nadded / its own family's pairs: {own['job seconds'] / own['family seconds']:.2f}")
    print(f"added / from nothing: {own['job seconds'] / everything['job seconds']:.3f}")


if __name__ == "__main__":
    main()
