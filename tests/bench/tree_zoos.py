"""Zoos that are trained for the bench of family trees: the paper's network of 300 models, and many small trees.

Networks and images are those of `lineage.families`. Of the 300 models, five are trained from random weights; each has
three children, each of these three, and each of those five, but ten for two of them. The other zoo has the shape of
OpenModelDB, a real zoo of vision models: 56 trees of at most four generations, most of them small, a few large, with
about a third of its models.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lineage.families.grow_trees import train
from lineage.families.plan import Family
from lineage.families.random_trees import EPOCH_STEPS
from lineage.families.recipes import OPTIMISERS, Training
from lineage.seeds import seed_of

TREES, EDGES, DEPTH = 56, 120, 4
"""Of the zoo of many trees, in generations."""
GROWTH = 2.8
"""Power of its size that a tree's chance of another child goes with."""
TASKS = ("home", "more", "away", "part", "more")
"""What each generation learns, from the first."""


@dataclass(frozen=True)
class Zoo:
    """Which models there are, and how they are trained.

    parents: of every model, parents first, None for one from random weights; architecture, width: of all;
    is_split: whether each tree is looked at by itself, beside the first models of the others.
    """

    name: str
    architecture: str
    width: int
    parents: dict[str, str | None]
    is_split: bool = False

    def pieces(self) -> dict[str, set[str]]:
        """The models that are looked at together, by the name of the piece."""
        if not self.is_split:
            return {self.name: set(self.parents)}
        first = {model for model, parent in self.parents.items() if parent is None}
        return {
            f"{self.name} {top}": first | {model for model in self.parents if self.tree(model) == top}
            for top in sorted(first)
        }

    def generation(self, model: str) -> int:
        """0 for a model from random weights."""
        parent = self.parents[model]
        return 0 if parent is None else 1 + self.generation(parent)

    def tree(self, model: str) -> str:
        """The model from random weights that a model descends from."""
        parent = self.parents[model]
        return model if parent is None else self.tree(parent)


def three_hundred() -> Zoo:
    """The shape of the paper's network of 300 models, of networks of full layers."""
    parents: dict[str, str | None] = {f"p{root}": None for root in range(5)}
    for children in (3, 3, 5):
        for parent in [model for model in parents if model not in set(parents.values())]:
            many = 10 if children == 5 and parent in ("p0.0.0", "p1.1.1") else children
            parents |= {f"{parent}.{number}": parent for number in range(many)}
    return Zoo("300 networks", "mlp", 64, parents, is_split=True)


def many_trees() -> Zoo:
    """The shape of a real zoo, of convolutional networks: the larger a tree, the likelier it gets the next child."""
    draw = np.random.default_rng(0)
    roots = [f"t{tree:02}" for tree in range(TREES)]
    trees: dict[str, dict[str, str | None]] = {root: {root: None, f"{root}.0": root} for root in roots}
    for _ in range(EDGES - TREES):
        chances = np.array([len(trees[root]) ** GROWTH for root in roots])
        tree = trees[str(draw.choice(roots, p=chances / chances.sum()))]
        parents = [model for model in tree if model.count(".") < DEPTH - 1]
        parent = str(draw.choice(parents))
        tree[f"{parent}.{list(tree.values()).count(parent)}"] = parent
    return Zoo(
        "56 trees", "conv", 64, {model: parent for tree in trees.values() for model, parent in tree.items()}
    )


def grown(zoo: Zoo, folder: Path) -> Iterator[tuple[str, Path]]:
    """Trains what is not there yet; gives each model and its file."""
    folder.mkdir(parents=True, exist_ok=True)
    for model, parent in zoo.parents.items():
        path = folder / f"{model}.safetensors"
        if not path.exists():
            _train(zoo, model, None if parent is None else folder / f"{parent}.safetensors", path)
        yield model, path


def _train(zoo: Zoo, model: str, start: Path | None, path: Path) -> None:
    """Roots have four epochs; of two siblings one learns half as fast, and all see images of their own."""
    seed = seed_of(f"{zoo.name}/{model}")
    generation = zoo.generation(model)
    training = Training(
        task=TASKS[generation],
        epochs=4 if generation == 0 else 2,
        rate=1.0 if generation == 0 or seed % 2 else 0.5,
    )
    family = Family(
        architecture=zoo.architecture,
        optimiser=OPTIMISERS[seed_of(zoo.tree(model)) % len(OPTIMISERS)],
        seed=seed % 2**31,
        width=zoo.width,
        epoch_steps=EPOCH_STEPS,
    )
    train(family, training, seed, start, path)
