"""Small networks with planted directions, as training makes them, and their children."""

import itertools
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

WIDTHS = (48, 96, 80, 64, 10)


def network(seed: int, *, widths=WIDTHS) -> dict[str, np.ndarray]:
    """An untrained network with a few strong directions in each matrix, as training makes them."""
    generator = np.random.default_rng(seed)
    tensors = {}
    for number, (inputs, outputs) in enumerate(itertools.pairwise(widths)):
        name = "head" if number == len(widths) - 2 else f"layer{number}"
        random = generator.normal(0, inputs**-0.5, (outputs, inputs))
        tensors[f"{name}.weight"] = (random + learnt(generator, outputs, inputs)).astype(np.float32)
        tensors[f"{name}.bias"] = generator.normal(0, 0.01, outputs).astype(np.float32)
    return tensors


def learnt(generator: np.random.Generator, rows: int, columns: int, rank: int = 8) -> np.ndarray:
    left, right = generator.normal(size=(rows, rank)), generator.normal(size=(rank, columns))
    return 0.8 * left @ right / np.sqrt(rows * columns)


def child_of(parent: dict[str, np.ndarray], seed: int, *, strength: float = 1.0) -> dict[str, np.ndarray]:
    """Fine-tuned: other strong directions and a little noise are added, under a new head."""
    generator = np.random.default_rng(seed)
    child = {}
    for name, values in parent.items():
        change = 0.001 * generator.normal(size=values.shape)
        if values.ndim == 2:
            change = learnt(generator, *values.shape) + 10 * change
        child[name] = (values + strength * change).astype(np.float32)
    child["head.weight"] = generator.normal(0, 0.1, child["head.weight"].shape).astype(np.float32)
    return child


ROOTS = {f"p{seed}": network(seed) for seed in range(4)}
OF_P2 = child_of(ROOTS["p2"], 28, strength=2.0)
"""Another child of p2: beside it, p2 is told from a sibling of its children; alone, it is not."""


def save_all(folder: Path, networks: dict[str, dict[str, np.ndarray]]) -> Path:
    """Writes each network into a file of its name; makes the folder where there is none, and gives it."""
    folder.mkdir(exist_ok=True)
    for name, tensors in networks.items():
        whole = {key: np.ascontiguousarray(values) for key, values in tensors.items()}
        save_file(whole, folder / f"{name}.safetensors")
    return folder


def save_audited(folder: Path) -> Path:
    """Roots in `bases`, beside a child of p2; a child of p2, an independent network, and one of other shapes."""
    save_all(folder / "bases", ROOTS | {"sibling": OF_P2})
    others = {"stranger": network(99), "other-shapes": network(1, widths=(30, 50, 40, 10))}
    return save_all(folder, {"child": child_of(ROOTS["p2"], 27)} | others)
