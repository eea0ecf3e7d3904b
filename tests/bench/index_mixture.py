"""What an index of the bench holds: grown networks, and synthetic ones that are related to none."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import small_training
from safetensors.numpy import save_file

from lineage.index.store import Store, Stored
from lineage.index.vectors import as_bytes

PARTS = ("own", "given")
AT_ONCE = 512
"""Synthetic networks that are written together."""
OTHER = 100
"""Seeds from here on are of architectures that the sketch was not set on."""
RECIPES = {
    "c.sgd": {"epochs": 4, "optimizer": "sgd"},
    "c.adamw": {"epochs": 4, "optimizer": "adamw"},
    "c.long": {"epochs": 12, "optimizer": "adamw", "strength": 2.0},
}
"""Children of networks of other architectures."""


@dataclass(frozen=True)
class Grown:
    """A network of a family, by its file."""

    place: int
    family: str
    model: str

    @property
    def architecture(self) -> str:
        return self.family.rsplit("-", 2)[0]

    @property
    def optimiser(self) -> str:
        return self.family.rsplit("-", 2)[1]

    @property
    def seed(self) -> int:
        return int(self.family.rsplit("-", 2)[2])

    @property
    def is_other(self) -> bool:
        """Whether the sketch was set on no network of its architecture."""
        return self.seed >= OTHER

    @property
    def is_relative(self) -> bool:
        """All networks of a family but one share its initialisation."""
        return self.model != "scratch"


def grown(stored: Stored) -> list[Grown]:
    """The networks that are no synthetic ones."""
    return [
        Grown(place, Path(file).parent.name, Path(file).stem)
        for place, file in enumerate(stored.files)
        if file
    ]


def with_synthetic(real: Stored, folder: Path, models: int) -> Store:
    """An index of the real networks and synthetic ones, written unless it is there."""
    store = Store(folder)
    if folder.is_dir() and len(store.read()) == models:
        return store
    store.append([_row(real, place) for place in range(len(real))])
    sizes: dict[tuple[str, int], list[Grown]] = {}
    for network in grown(real):
        root = Path(real.files[network.place]).with_name("root.safetensors")
        sizes.setdefault((network.architecture, root.stat().st_size // 2**15), []).append(network)
    kinds = [[Alike(getattr(real, part), networks) for part in PARTS] for networks in sizes.values()]
    draw = np.random.default_rng(0)
    for start in range(len(real), models, AT_ONCE):
        numbers = range(start, min(start + AT_ONCE, models))
        kind = kinds[(start // AT_ONCE) % len(kinds)]
        vectors = [alike.drawn(draw, len(numbers)) for alike in kind]
        store.append(
            [
                _empty(f"synthetic {number}")
                | {part: row.tobytes() for part, row in zip(PARTS, pair, strict=True)}
                for number, *pair in zip(numbers, *vectors, strict=True)
            ]
        )
    return store


class Alike:
    """Grown networks of one architecture and size: what their vectors have in common.

    Args:
        vectors: of all networks; networks: those of this kind.
    """

    def __init__(self, vectors: np.ndarray, networks: Sequence[Grown]):
        self.vectors = np.array([_unit(vectors[network.place]) for network in networks])
        families = np.array([network.family for network in networks])
        roots = self.vectors[[network.model == "root" for network in networks]]
        means = np.array([self.vectors[families == family].mean(0) for family in np.unique(families)])
        self.common = _unit(means.mean(0))
        apart = (roots @ roots.T)[~np.eye(len(roots), dtype=bool)]
        self.share = float(np.clip(apart.mean(), 0, 1)) if apart.size else 0.0

    def drawn(self, draw: np.random.Generator, count: int) -> list[np.ndarray]:
        """The vectors of other such networks, as bytes."""
        own = draw.permuted(self.vectors[draw.integers(len(self.vectors), size=count)], axis=1)
        mixed = np.sqrt(self.share) * self.common + np.sqrt(1 - self.share) * own
        return [as_bytes(vector) for vector in mixed]


def _unit(vector: np.ndarray) -> np.ndarray:
    values = vector.astype(np.float64)
    return values / max(np.linalg.norm(values), 1e-12)


def _empty(id: str) -> dict:
    return {"id": id, "file": "", "size": 0, "changed": 0, "content": "", "is_removed": False}


def _row(stored: Stored, place: int) -> dict:
    return {
        "id": stored.ids[place],
        "file": stored.files[place],
        "size": int(stored.sizes[place]),
        "changed": int(stored.changed[place]),
        "content": stored.contents[place],
        "own": stored.own[place].tobytes(),
        "given": stored.given[place].tobytes(),
        "is_removed": False,
    }


def train_others(folder: Path, roots: int) -> list[Path]:
    """Trains families of architectures that no number of the sketch was set on, unless they are there."""
    found = []
    for kind, build in small_training.UNSEEN.items():
        for seed in range(OTHER, OTHER + roots):
            family = folder / f"{kind} of other code-sgd-{seed}"
            found.append(family)
            if (family / "scratch.safetensors").exists():
                continue
            family.mkdir(parents=True, exist_ok=True)
            root = small_training.train(build, None, seed, epochs=8, optimizer="sgd")
            save_file(root, family / "root.safetensors")
            for number, (name, recipe) in enumerate(RECIPES.items(), start=1):
                child = small_training.train(build, root, 1000 * number + seed, **recipe)
                save_file(child, family / f"{name}.safetensors")
            save_file(
                small_training.train(build, None, 9000 + seed, epochs=8, optimizer="sgd"),
                family / "scratch.safetensors",
            )
    return found
