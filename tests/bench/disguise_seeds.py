"""The test against an initialisation: p-values of unrelated pairs, and z of disguised children of their own.

    python tests/bench/disguise_seeds.py [--out build/disguises]

prints z, p and seconds for networks of usual sizes, which `make bench-disguises` then need not measure again.
"""

import argparse
import itertools
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from disguise_cases import FITTING, HEAD_WIDTH, UNSEEN, Families, Measured, ways
from torch.nn.functional import cross_entropy

from lineage.data.load import load_data
from lineage.families.cases.changes import State
from lineage.families.networks import network
from lineage.networks.architectures import build
from lineage.relation.alignment.disguises import disguised
from lineage.relation.initialisation import DRAWS, initial_test
from lineage.seeds import seed_of
from lineage.types.scoring import Data, Network

PAIRS_EACH, DRAWS_A_PAIR, FEW_DRAWS = 170, 39, 99
CHILDREN = ("c.adamw", "c.long", "gg", "task.labels")
LARGE = {"FC": "fc", "ResNet18": "timm:resnet18", "ViT": "timm:vit_tiny_patch16_224"}
IMAGE_SIZE, CHILDREN_EACH, STEPS, BATCH = 32, 3, 60, 64
HOW = {
    "FC": ["permute", "rescale"],
    "ResNet18": ["permute", "rescale", "stream"],
    "ViT": ["permute", "rescale", "stream"],
}


def unrelated(folder: Path, rows: Measured) -> Iterator[dict]:
    """p-values of disguised networks and initialisations that are drawn for each pair: independent of each other."""
    for architecture in FITTING:
        families = Families(folder, architecture, UNSEEN)
        names, hows = sorted(families.width), ways(architecture)
        draw = np.random.default_rng(seed_of(f"initialisations {architecture}"))
        for number in range(PAIRS_EACH):
            family, how = names[number % len(names)], hows[number % len(hows)]
            child = str(draw.choice(CHILDREN))
            start = state_of(network(architecture, width=families.width[family], classes=10, seed=number))
            key = f"{architecture} {number} {family} {child}"
            how = how if not {"thin", "shorten"} & set(how.split(" + ")) else "permute"
            yield rows.add(key, tested, families, family, child, how, start, DRAWS_A_PAIR)


def related(folder: Path, rows: Measured) -> Iterator[dict]:
    """z of disguised networks and their own initialisation."""
    for architecture in FITTING:
        families = Families(folder, architecture, UNSEEN)
        for family, child in itertools.product(sorted(families.width)[:4], CHILDREN):
            key = f"{architecture} own {family} {child}"
            start = families.state(family, "init")
            yield rows.add(key, tested, families, family, child, "permute + rescale", start, FEW_DRAWS)


def tested(families: Families, family: str, child: str, how: str, start: State, draws: int) -> dict:
    draw = np.random.default_rng(seed_of(f"{family}/{child}/{float(next(iter(start.values())).sum())}"))
    state = families.disguised(family, child, how)
    found = initial_test(state, start, draw, draws)
    jittered = 10**found.log10_p - draw.uniform(0, 1 / (1 + draws))
    return {"architecture": families.architecture, "family": family, "z": found.z, "p": jittered}


def large(rows: Measured) -> Iterator[dict]:
    """z of disguised networks of usual sizes and their own initialisation, and the seconds that all draws take."""
    for (name, architecture), seed in itertools.product(LARGE.items(), range(CHILDREN_EACH)):
        yield rows.add(f"{name} {seed}", of_large, name, architecture, seed)


def of_large(name: str, architecture: str, seed: int) -> dict:
    described = Network(name=architecture, image_size=IMAGE_SIZE, channels=1)
    net = build(architecture, classes=10, channels=1, image_size=IMAGE_SIZE, seed=seed)
    start = state_of(net)
    trained(net, described, seed)
    draw = np.random.default_rng(seed)
    head_width = HEAD_WIDTH * 2 if name == "ViT" else None
    child = disguised(state_of(net), HOW[name], draw, head_width)
    began = time.process_time()
    found = initial_test(child, start, draw, DRAWS)
    seconds = time.process_time() - began
    return {"name": name, "z": found.z, "p": 10**found.log10_p, "seconds": seconds}


def state_of(net: torch.nn.Module) -> dict[str, np.ndarray]:
    return {name: values.detach().numpy().copy() for name, values in net.state_dict().items() if values.ndim}


def trained(net: torch.nn.Module, described: Network, seed: int) -> None:
    """STEPS of Adam on garments."""
    data = load_data(Data(source="embedded:fashion-mnist"), described)
    pixels, labels = data.tensor(), data.labels_tensor()
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    optimiser = torch.optim.Adam(net.parameters(), 1e-3)
    net.train()
    for step in range(STEPS):
        chosen = order[(step * BATCH) % len(order) :][:BATCH]
        optimiser.zero_grad()
        cross_entropy(net(pixels[chosen]), labels[chosen]).backward()
        optimiser.step()
    net.eval()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("build/disguises"))
    found = pd.DataFrame(large(Measured(parser.parse_args().out / "large.jsonl")))
    print(found[["name", "z", "p", "seconds"]].to_string(index=False))
    columns = {"n": ("z", "size"), "median z": ("z", "median"), "most seconds": ("seconds", "max")}
    print(found.groupby("name").agg(**columns).to_string())


if __name__ == "__main__":
    main()
