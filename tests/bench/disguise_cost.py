"""What alignment costs: a disguised pair of usual sizes, a stranger, and an audit of a child that is not disguised.

python tests/bench/disguise_cost.py [--out build/disguises]
"""

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from disguise_cases import Measured
from disguise_seeds import state_of
from safetensors.numpy import save_file

from lineage.auditing.audit import Settings, audit_sources
from lineage.checkpoints.find import Source
from lineage.networks.architectures import build
from lineage.relation.alignment.align import align
from lineage.relation.alignment.disguises import disguised

PAIRS = {
    "ResNet18": ("timm:resnet18", 2.0),
    "ViT-S": ("timm:vit_small_patch16_224", None),
    "ViT-B": ("timm:vit_base_patch16_224", 10.0),
}
"""Networks and the seconds that aligning a disguised pair may take."""
MOVED = 0.2
"""How far a child's weights are from the candidate's, in units of their standard deviation."""
REPEATS = 5


def costs(rows: Measured) -> Iterator[dict]:
    """Seconds of one core for each pair, and for audits with and without alignment of a child as it is."""
    for name, (architecture, _) in PAIRS.items():
        yield rows.add(f"pair {name}", of_pair, name, architecture)
        yield rows.add(f"stranger {name}", of_stranger, name, architecture)
    yield rows.add("audit as it is", of_audit)


def pair_of(architecture: str) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """A network with random weights, and another one near it."""
    root = state_of(build(architecture, classes=10, channels=3, image_size=224, seed=0))
    draw = np.random.default_rng(0)
    child = {
        name: (
            values + MOVED * values.std() * draw.standard_normal(values.shape, np.float32) * (values.ndim > 1)
        ).astype(np.float32)
        for name, values in root.items()
    }
    return root, child


def of_pair(name: str, architecture: str) -> dict:
    root, child = pair_of(architecture)
    head_width = 64 if name.startswith("ViT") else None
    hidden = disguised(child, ["permute", "rescale", "stream"], np.random.default_rng(1), head_width)
    began = time.process_time()
    found = align(hidden, root)
    return {"name": name, "seconds": time.process_time() - began, "margin": found.margin}


def of_stranger(name: str, architecture: str) -> dict:
    """Of two networks with random weights of their own, until they are given up."""
    some, others = (
        state_of(build(architecture, classes=10, channels=3, image_size=224, seed=seed)) for seed in (0, 1)
    )
    began = time.process_time()
    found = align(some, others)
    return {"name": name, "stranger": time.process_time() - began, "margin": found.margin}


def of_audit() -> dict:
    """The ratio of an audit that may align to one that may not, of a child that is as it was trained."""
    root, child = pair_of("timm:resnet18")
    with TemporaryDirectory() as folder:
        paths = {name: str(Path(folder, f"{name}.safetensors")) for name in ("root", "child")}
        save_file(root, paths["root"])
        save_file(child, paths["child"])
        seconds = {True: [], False: []}
        for undisguise in [True, False] * REPEATS:
            began = time.process_time()
            settings = Settings(undisguise=undisguise)
            audit_sources(paths["child"], [Source(id="root", path=paths["root"])], settings=settings)
            seconds[undisguise].append(time.process_time() - began)
    return {"name": "audit", "ratio": float(np.median(seconds[True]) / np.median(seconds[False]))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("build/disguises"))
    for cost in costs(Measured(parser.parse_args().out / "costs.jsonl")):
        print(cost)


if __name__ == "__main__":
    main()
