"""Whether training and scores have the same bytes on other processors, and what that costs; `make bench-processors`.

The other processors are QEMU's (Debian: qemu-user), which computes the instructions of another one in software: a
Haswell of Intel's and a Rome of AMD's, neither with AVX-512. Seconds are this machine's own. Writes
docs/processors.md; a quarter of an hour.
"""

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from lineage.jobs.device import make_deterministic
from lineage.jobs.processors import kernels_for
from lineage.networks.architectures import build
from lineage.networks.backbone import Backbone, state_of
from lineage.networks.restore import Line
from lineage.results.run_facts import processor
from lineage.similarity.measures import SIMILARITIES
from lineage.similarity.pairs import pair_scores, stacked
from lineage.storage.atomic import written_whole
from lineage.types.scoring import Similarity

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "processors.md"
ABOUT = """# The same bytes on other processors

With `reproducible: processors` ([config/README.md](../config/README.md)) jobs use kernels that all x86-64 processors
with AVX2 have. Below, what other processors compute is compared with what this one does, under both values of the
key: of how many tensors, or similarities, every byte is equal. The others are QEMU's; no real ones were at hand.
Square roots of tensors are the exception, and with them Adam and some similarities: oneMKL approximates them on
processors that are not Intel's, whatever it is told.
"""
OTHERS = ("Haswell", "EPYC-Rome")
NETWORKS = {
    "fc": {"name": "fc", "channels": 1, "image_size": 28, "classes": 10},
    "convnet": {"name": "convnet", "channels": 3, "image_size": 16, "classes": 10},
    "timm:vit_tiny": {
        "name": "timm:vit_tiny_patch16_224", "channels": 3, "image_size": 32, "classes": 10,
    },
}  # fmt: skip
OPTIMISERS: dict[str, Callable[[Iterable], torch.optim.Optimizer]] = {
    "SGD": lambda parameters: torch.optim.SGD(parameters, lr=0.05, momentum=0.9),
    "AdamW": lambda parameters: torch.optim.AdamW(parameters, lr=1e-3),
}
STEPS, IMAGES = 3, 16


def computed() -> dict[str, tuple[list[str], float]]:
    """Of each piece of work the SHA-256 of each tensor or similarity that came out, and its seconds."""
    make_deterministic(1)
    found = {}
    for network, size in NETWORKS.items():
        torch.manual_seed(0)
        images = torch.rand(IMAGES, size["channels"], size["image_size"], size["image_size"])
        labels = torch.arange(IMAGES) % size["classes"]
        parent = build(seed=0, **size)
        for optimiser, of in OPTIMISERS.items():
            child = build(seed=0, **size)
            began = time.perf_counter()
            train(child, of(child.parameters()), images, labels)
            found[f"{network}, {optimiser}"] = (digests(child.parameters()), time.perf_counter() - began)
            if optimiser == "SGD":
                began = time.perf_counter()
                scores = scored(parent, child, images)
                found[f"{network}, similarities"] = (digests(scores), time.perf_counter() - began)
    return found


def train(net: torch.nn.Module, optimiser: torch.optim.Optimizer, images: Tensor, labels: Tensor) -> None:
    """A few steps on all images."""
    for _ in range(STEPS):
        optimiser.zero_grad()
        cross_entropy(net(images), labels).backward()
        optimiser.step()


def scored(parent: torch.nn.Module, child: torch.nn.Module, images: Tensor) -> list[Tensor]:
    """The scores of each similarity, direct and by `path`."""
    backbone = Backbone(parent, images)
    config = Similarity(similarities=tuple(SIMILARITIES), approximations=("direct", "path"), alphas=(0.5,))
    with torch.no_grad():
        features = stacked(backbone(state_of(child), images))
    line = Line.between(backbone, state_of(parent), state_of(child))
    scores: dict[str, list[float]] = {}
    for _, similarity, *_, score in pair_scores(line, images, features, config):
        scores.setdefault(similarity, []).append(float(score))
    return [torch.tensor(values, dtype=torch.float64) for values in scores.values()]


def digests(tensors: Iterable[Tensor]) -> list[str]:
    """Of each tensor's values."""
    return [hashlib.sha256(tensor.detach().numpy().tobytes()).hexdigest() for tensor in tensors]


def on(other: str | None, reproducible: str) -> dict[str, tuple[list[str], float]]:
    """What another processor computes; None is this one."""
    governed = kernels_for("processors")
    environment = {key: value for key, value in os.environ.items() if key not in governed}
    environment |= kernels_for(reproducible) | {"PYTHONPATH": os.pathsep.join(sys.path)}
    emulated = ["qemu-x86_64", "-cpu", other] if other else []
    python = os.path.realpath(sys.executable)
    print(f"bench: {other or 'this processor'}, {reproducible}", file=sys.stderr, flush=True)
    done = subprocess.run(
        [*emulated, python, __file__, "--computed"],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def compared(others: Iterable[str]) -> pd.DataFrame:
    """A row a piece of work: what it costs, and where its bytes are this processor's."""
    here = {reproducible: on(None, reproducible) for reproducible in ("machine", "processors")}
    there = {(other, reproducible): on(other, reproducible) for other in others for reproducible in here}
    rows = []
    for work, (_, seconds) in here["machine"].items():
        row = {
            "work": work,
            "seconds, processors over machine": f"{here['processors'][work][1] / seconds:.2f}",
        }
        for (other, reproducible), found in there.items():
            same = list(map(str.__eq__, found[work][0], here[reproducible][work][0]))
            row[f"{other}, {reproducible}"] = f"{sum(same)} of {len(same)}"
        rows.append(row)
    return pd.DataFrame(rows)


def main() -> None:
    """Writes the page."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--computed", action="store_true")
    if arguments.parse_args().computed:
        print(json.dumps(computed()))
        return
    if shutil.which("qemu-x86_64") is None:
        sys.exit("error: qemu-x86_64: expected QEMU, but there is none; apt-get install qemu-user")
    rows = compared(OTHERS)
    version = re.search(r"version ([\d.]+)", subprocess.run(
        ["qemu-x86_64", "--version"], check=True, capture_output=True, text=True).stdout)[1]  # fmt: skip
    text = "\n".join([
        ABOUT,
        f"{processor()}; torch {torch.__version__}, QEMU {version}, one thread; made by `make bench-processors`.", "",
        rows.to_markdown(index=False, disable_numparse=True), "",
    ])  # fmt: skip
    with written_whole(PAGE) as part:
        part.write_text(text)
    print(text)


if __name__ == "__main__":
    main()
