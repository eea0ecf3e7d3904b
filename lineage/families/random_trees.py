"""Trees of networks that no plan made: random shapes, tasks, images, lengths, rates, optimisers, recipes. No torch.

They are deeper than families, and siblings in them learn more alike.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from lineage.families.plan import Family
from lineage.families.recipes import OPTIMISERS, OPTIMISERS_OF_TREES, Training
from lineage.seeds import seed_of

MODELS, DEPTH = 30, 4
"""Of a tree; generations below its root."""
EPOCHS_OF_ROOT, DROPOUT_OF_ROOT = (6, 6, 16), (0.0, 0.0, 0.2)
"""What a root's are drawn from."""
WIDTHS = (64, 64, 96, 128)
EPOCH_STEPS = 16
TASKS = ("home", "more", "away", "part")
RATES = (0.2, 0.5, 0.5, 1.0, 1.0, 2.0)
KINDS: tuple[Mapping, ...] = (
    *[{}] * 8,
    {"lora": 4, "rate": 3.0},
    {"l2_sp": 0.5},
    {"strong_decay": True, "rate": 0.5},
    *[{"dropout": 0.3}] * 2,
    *[{"first_rate": 0.05}] * 2,
)
"""What sets a training apart, each as often as it stands here."""
SAME_OPTIMISER, SAME_IMAGES = 0.6, 0.5
"""How often a training has the root's optimiser, and images that others of the tree see too."""
ROOT = "r"
OF_ALL = "images"
"""Those that others of the tree see too."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """One training of a tree.

    parent: its name, None for random weights; family: has the optimiser and the images.
    """

    parent: str | None
    training: Training
    family: Family


@dataclass(frozen=True, kw_only=True)
class RandomTree:
    """A tree of networks of one architecture, drawn from its seed."""

    architecture: str
    seed: int

    @property
    def id(self) -> str:
        """Unique among all trees."""
        return f"tree-{self.architecture}-{self.seed}"

    @cached_property
    def width(self) -> int:
        """Of all its networks."""
        return int(np.random.default_rng(self.seed_for("width")).choice(WIDTHS))

    @property
    def optimiser(self) -> str:
        """The root's."""
        return self.steps[ROOT].family.optimiser

    @cached_property
    def steps(self) -> dict[str, Step]:
        """The trainings by the names of what they give, parents first."""
        draw = np.random.default_rng(self.seed_for("shape"))
        parents: dict[str, str] = {}
        while len(parents) < MODELS - 1:
            parent = str(draw.choice([name for name in (ROOT, *parents) if name.count(".") < DEPTH]))
            parents[f"{parent}.{list(parents.values()).count(parent)}"] = parent
        first = str(draw.choice(OPTIMISERS))
        root = Training(
            task="home",
            epochs=int(draw.choice(EPOCHS_OF_ROOT)),
            dropout=float(draw.choice(DROPOUT_OF_ROOT)),
        )
        found = {ROOT: Step(parent=None, training=root, family=self._family(first, OF_ALL))}
        for name, parent in parents.items():
            training = Training(
                task=str(draw.choice(TASKS)), epochs=int(draw.integers(1, 5)), rate=float(draw.choice(RATES))
            )
            training = replace(training, **KINDS[draw.integers(len(KINDS))])
            optimiser = first if draw.random() < SAME_OPTIMISER else str(draw.choice(OPTIMISERS_OF_TREES))
            images = OF_ALL if draw.random() < SAME_IMAGES else f"{OF_ALL} of {name}"
            family = self._family(optimiser, images)
            found[name] = Step(parent=parent, training=training, family=family)
        return found

    @property
    def parents(self) -> dict[str, str | None]:
        """Each model's parent, parents first."""
        return {name: step.parent for name, step in self.steps.items()}

    def seed_for(self, what: str) -> int:
        """The seed of something in this tree."""
        return seed_of(f"{self.id}/{what}")

    def _family(self, optimiser: str, images: str) -> Family:
        """A family of the tree's architecture and width, with an optimiser, and images by name."""
        return Family(
            architecture=self.architecture,
            optimiser=optimiser,
            seed=self.seed_for(images) % 2**31,
            width=self.width,
            epoch_steps=EPOCH_STEPS,
        )
