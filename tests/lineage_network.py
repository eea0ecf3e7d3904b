"""A lineage network of the paper's size: 5 roots, 4 generations, 300 models, drawn at random."""

import itertools

import numpy as np

from lineage.storage.parquet import write_table
from lineage.storage.schemas import EDGES

MODELS_OF_GENERATION = (5, 45, 100, 150)
SHARES_RIGHT = {"detector": 0.97, "weight_l2": 0.95, "cka/path": 0.85, "l1/direct": 0.7}


def edges(experiment: str) -> list[dict]:
    """Rows of EDGES; wrong predictions are other models of the parent's generation."""
    generator = np.random.default_rng(0)
    generations = [[f"p{number}" for number in range(MODELS_OF_GENERATION[0])]]
    for number, size in enumerate(MODELS_OF_GENERATION[1:], start=2):
        older = generations[-1]
        children = [
            f"{older[place % len(older)]}.g{number}.{place // len(older):03d}" for place in range(size)
        ]
        generations.append(children)
    rows = []
    for method, share in SHARES_RIGHT.items():
        for number, (older, children) in enumerate(itertools.pairwise(generations), start=2):
            for child in children:
                parent = child.rsplit(".", 2)[0]
                is_right = generator.random() < share
                others = [model for model in older if model != parent]
                predicted = parent if is_right else str(generator.choice(others))
                rows.append(
                    {"experiment": experiment, "method": method, "child": child, "generation": number,
                     "predicted": predicted, "parent": parent, "margin": float(generator.normal())}
                )  # fmt: skip
    return rows


def write_edges(path, experiment: str) -> None:
    """Writes such a network."""
    write_table(path, edges(experiment), EDGES, ["method", "child"])
