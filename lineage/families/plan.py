"""What a family holds: which network is trained from which, and how. No torch.

A family's first network is an initialisation. A root is trained from it, children from the root, and so on; beside
them stand networks that share the initialisation alone, a line of epochs of one run, and one that shares only the
root's images and their order.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from lineage.families.recipes import OPTIMISERS, Training
from lineage.seeds import seed_of

ARCHITECTURES = ("mlp", "mlp-norm", "conv", "mobile", "resnet", "vit", "lstm", "llama")
INIT, ROOT = "init", "root"
EPOCHS_OF_LINE = 6


@dataclass(frozen=True, kw_only=True)
class Run:
    """One training, which gives one network, or one after each epoch.

    id: the network's in its family; parent: the id of where it starts, None for random weights of its own;
    kind: what it is to the root; training: None keeps the start; order: the id of the run whose order of images it
    takes, by default its own; each_epoch: saves `<id>.1`, `<id>.2`, ...
    """

    id: str
    parent: str | None
    kind: str
    training: Training | None
    order: str | None = None
    each_epoch: bool = False


def _child(name: str, training: Training) -> Run:
    return Run(id=f"c.{name}", parent=ROOT, kind="child", training=training)


RUNS: tuple[Run, ...] = (
    Run(id=INIT, parent=None, kind="init", training=None),
    Run(id=ROOT, parent=INIT, kind="root", training=Training(task="home", epochs=8)),
    Run(id="task.data", parent=INIT, kind="other task", training=Training(task="away", epochs=4)),
    Run(id="task.labels", parent=INIT, kind="other task", training=Training(task="turned", epochs=4)),
    _child("one", Training(task="away", steps=1, rate=0.5)),
    _child("light", Training(task="more", epochs=1, rate=0.2)),
    _child("sgd", Training(task="away", epochs=3, optimiser="sgd", rate=0.5)),
    _child("momentum", Training(task="more", epochs=3, optimiser="momentum", rate=0.5)),
    _child("adamw", Training(task="away", epochs=3, optimiser="adamw", rate=0.5)),
    _child("lora", Training(task="away", epochs=3, lora=4, rate=3.0)),
    _child("l2sp", Training(task="away", epochs=3, l2_sp=0.5, rate=0.5)),
    _child("decay", Training(task="more", epochs=3, strong_decay=True, rate=0.5)),
    _child("long", Training(task="away", epochs=8, optimiser="adamw", rate=3.0)),
    _child("same", Training(task="home", epochs=3, rate=0.5)),
    _child("head", Training(task="part", epochs=3)),
    Run(id="g.adamw", parent="c.adamw", kind="grandchild", training=Training(task="home", epochs=2, rate=0.5)),
    Run(id="g.light", parent="c.light", kind="grandchild", training=Training(task="away", epochs=2, rate=0.5)),
    Run(id="g.long", parent="c.long", kind="grandchild", training=Training(task="part", epochs=2, rate=0.5)),
    Run(id="gg", parent="g.adamw", kind="great-grandchild", training=Training(task="away", epochs=2, rate=0.5)),
    Run(
        id="line", parent=INIT, kind="line", training=Training(task="home", epochs=EPOCHS_OF_LINE), each_epoch=True
    ),
    Run(id="scratch", parent=None, kind="scratch", training=Training(task="home", epochs=8), order=ROOT),
)  # fmt: skip
RUN_OF = {run.id: run for run in RUNS}
"""The runs by id."""
PARENT_OF: dict[str, str | None] = {}
"""Of every model of a family, in the order in which they are trained; the same in all families."""
for _run in RUNS:
    if _run.each_epoch:
        _epochs = [f"{_run.id}.{number}" for number in range(1, EPOCHS_OF_LINE + 1)]
        PARENT_OF |= dict(zip(_epochs, [_run.parent, *_epochs], strict=False))
    else:
        PARENT_OF[_run.id] = _run.parent


@dataclass(frozen=True, kw_only=True)
class Family:
    """One family: its networks' architecture and width, the optimiser that its root is trained with, and a number."""

    architecture: str
    optimiser: str
    seed: int
    width: int
    epoch_steps: int
    """Steps of an epoch, which set how many images there are."""

    @property
    def id(self) -> str:
        """Unique among all families."""
        return f"{self.architecture}-{self.optimiser}-{self.seed}"

    @property
    def parents(self) -> dict[str, str | None]:
        """Each model's parent, parents first."""
        return PARENT_OF

    @property
    def home(self) -> str:
        """The images that the root learns: garments in families of even numbers, else digits."""
        return ("fashion", "digits")[self.seed % 2]

    def seed_for(self, what: str) -> int:
        """The seed of something in this family, such as a run."""
        return seed_of(f"{self.id}/{what}")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All families: each architecture with each optimiser, `seeds` times, in widths that take turns.

    widths: each with the steps of its epochs.
    """

    architectures: Sequence[str] = ARCHITECTURES
    optimisers: Sequence[str] = OPTIMISERS
    seeds: int
    widths: Sequence[dict[str, int]]

    @cached_property
    def groups(self) -> dict[str, list[Family]]:
        """The families by job: those of one architecture and number stand together."""
        found = {}
        for seed in range(self.seeds):
            for architecture in self.architectures:
                place = seed + ARCHITECTURES.index(architecture)
                found[f"{architecture}-{seed}"] = [
                    Family(
                        architecture=architecture,
                        optimiser=optimiser,
                        seed=seed,
                        **self.widths[(place + OPTIMISERS.index(optimiser)) % len(self.widths)],
                    )
                    for optimiser in self.optimisers
                ]
        return found

    @cached_property
    def sizes(self) -> dict[str, list[Family]]:
        """The families of one architecture and width: each other's strangers of equal shapes."""
        found: dict[str, list[Family]] = {}
        for families in self.groups.values():
            for family in families:
                found.setdefault(f"{family.architecture}-{family.width}", []).append(family)
        return found

    def group_of(self, family: Family) -> str:
        """The job that grows a family."""
        return f"{family.architecture}-{family.seed}"


def folders_of(families: Sequence[Family], grown: Sequence[str]) -> dict[str, Path]:
    """The folder of each family's weights, by its id.

    Args:
        grown: the folder of the job that grew each of them.
    """
    return {family.id: Path(folder, family.id) for family, folder in zip(families, grown, strict=True)}
