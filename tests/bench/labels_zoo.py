"""Networks for the bench of labels: roots trained apart on the same images, and what is derived from them.

A world is an architecture and a kind of image. What its networks answer on the world's pool is stored, not they
themselves; what is there is not computed again.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from lineage.asking.choosing.networks import answers_of
from lineage.asking.choosing.pool import Pool, pool_of
from lineage.data.images import stratified_subset
from lineage.data.load import load_images
from lineage.families.fitting import fitted
from lineage.families.networks import SIZE, network
from lineage.families.recipes import Training
from lineage.families.tasks import MEAN, SOURCES, STD, Task
from lineage.networks.architectures import head_of
from lineage.seeds import seed_of

ARCHITECTURES = {"fc": "mlp", "conv": "conv", "resnet": "resnet", "vit": "vit"}
WIDTH = 64
SIZES = {"fc": (24, 8), "conv": (24, 8), "resnet": (22, 4), "vit": (22, 4)}
"""Roots of a world, and how many of them have children."""
IMAGES = {"fashion": 2400, "digits": 1425}
"""Of two thirds of them all roots learn the same; children learn the others, or those again."""

State = dict[str, torch.Tensor]
EPOCHS = {"fashion": 8, "digits": 12}
TUNED = {
    "light": Training(task="more", epochs=1, rate=0.2),
    "tuned": Training(task="more", epochs=3, rate=0.3),
    "again": Training(task="home", epochs=3, rate=0.3),
    "lora": Training(task="more", epochs=3, lora=4, rate=1.0),
}
"""Children under the same head."""
NEW_HEAD = {
    "new classes": Training(task="part", epochs=3, rate=0.3),
    "new images": Training(task="away", epochs=3, rate=0.3),
}
DISTILLED = Training(task="distilled", epochs=20)


@dataclass(frozen=True)
class World:
    """An architecture and a kind of image."""

    architecture: str
    kind: str

    @property
    def id(self) -> str:
        return f"{self.architecture}-{self.kind}"


class Trainer:
    """Trains the networks of a world."""

    def __init__(self, world: World):
        self.world = world
        self.tasks = tasks_of(world.kind)
        self.architecture = ARCHITECTURES[world.architecture]

    def trained(self, name: str, start: State | None, training: Training, task: Task | None = None) -> State:
        """A network after one training; the head is new where the classes are others."""
        task = task or self.tasks[training.task]
        seed = seed_of(f"{self.world.id}/{name}")
        net = self.network(task.classes, seed)
        if start is not None:
            own, head = net.state_dict(), f"{head_of(net)}."
            is_new = training.task in ("part", "away")
            net.load_state_dict(
                {key: own[key] if is_new and key.startswith(head) else start[key] for key in own}
            )
        optimiser = ("momentum", "adamw")[self.architecture == "vit"]
        for _ in fitted(net, task, training, architecture=self.architecture, optimiser=optimiser, seed=seed):
            pass
        return {key: value.detach().clone() for key, value in net.state_dict().items()}

    def network(self, classes: int, seed: int = 0) -> nn.Module:
        return network(self.architecture, width=WIDTH, classes=classes, seed=seed)

    def distilled(self, name: str, teacher: State) -> State:
        """A network from random weights that learns what a teacher answers on the images of children."""
        net = self.loaded(teacher)
        more = self.tasks["more"]
        with torch.no_grad():
            labels = net(more.images).softmax(1)
        return self.trained(name, None, DISTILLED, replace(more, labels=labels))

    def loaded(self, state: State) -> nn.Module:
        net = self.network(len(state["head.bias"]))
        net.load_state_dict(state)
        return net.eval()


def tasks_of(kind: str) -> dict[str, Task]:
    """The tasks of a kind of image: `home`, `more` of other images, `part` of every second class, and `away`."""
    other = {"fashion": "digits", "digits": "fashion"}[kind]
    home, more = _parts(kind)
    _, away = _parts(other)
    chosen = more.labels % 2 == 0
    part = replace(more, images=more.images[chosen], labels=more.labels[chosen] // 2, classes=5)
    return {"home": home, "more": more, "part": part, "away": away}


def _parts(kind: str) -> tuple[Task, Task]:
    images = load_images(SOURCES[kind], split="train", size=SIZE, channels=1)
    drawn = stratified_subset(images.labels, IMAGES[kind], seed_of(f"labels bench {kind}"))
    found, homes = [], 2 * IMAGES[kind] // 3
    for chosen in (drawn[:homes], drawn[homes:]):
        pixels, labels = (images.tensor(chosen) - MEAN) / STD, images.labels_tensor(chosen)
        found.append(Task(pixels, labels, pixels, labels, len(images.class_names)))
    return found[0], found[1]


def pool(kind: str) -> Pool:
    """What the networks of a kind are asked."""
    images = load_images(SOURCES[kind], split="test", size=SIZE, channels=1)
    return pool_of(images, seed_of(f"pool {kind}"))


def changed(state: State, how: Callable[[torch.Tensor], torch.Tensor]) -> State:
    return {key: how(value) if value.ndim > 1 else value for key, value in state.items()}


def int8(values: torch.Tensor) -> torch.Tensor:
    """Rounded to 255 steps, of the largest of each row."""
    step = values.flatten(1).abs().amax(1).clamp_min(1e-12).div(127).reshape(-1, *[1] * (values.ndim - 1))
    return (values / step).round() * step


def pruned(values: torch.Tensor) -> torch.Tensor:
    """Without the smaller half of its weights."""
    return values * (values.abs() > values.abs().median())


def networks_of(trainer: Trainer, root: str, *, is_parent: bool) -> Iterator[tuple[str, str, State]]:
    """A root and what is derived from it: each one's name, condition and weights."""
    of_root = Training(task="home", epochs=EPOCHS[trainer.world.kind])
    state = trainer.trained(root, None, of_root)
    yield root, "root", state
    if not is_parent:
        return
    yield f"{root}.int8", "int8", changed(state, int8)
    yield f"{root}.pruned", "pruned", changed(state, pruned)
    children = {}
    for name, training in (TUNED | NEW_HEAD).items():
        children[name] = trainer.trained(f"{root}.{name}", state, training)
        yield f"{root}.{name}", "new head" if name in NEW_HEAD else "same head", children[name]
    yield f"{root}.tuned.int8", "int8", changed(children["tuned"], int8)
    yield f"{root}.tuned.pruned", "pruned", changed(children["tuned"], pruned)
    again = trainer.trained(f"{root}.tuned.again", children["tuned"], TUNED["again"])
    yield f"{root}.tuned.again", "two generations", again
    back = trainer.trained(f"{root}.new.part", children["new images"], NEW_HEAD["new classes"])
    yield f"{root}.new.part", "two generations, new head", back
    yield f"{root}.distilled", "distilled", trainer.distilled(f"{root}.distilled", state)


def answers(world: World, folder: Path, say: Callable[[str], None]) -> dict[str, np.ndarray]:
    """What every network of a world answers on its pool: `<name>|<root>|<condition>` → log-probabilities [N, C].

    Features of roots stand under `features|<name>`.
    """
    inputs, trainer, found = pool(world.kind), Trainer(world), {}
    roots, parents = SIZES[world.architecture]
    for number in range(roots):
        root = f"r{number}"
        path = folder / world.id / f"{root}.npz"
        if not path.exists():
            _store(path, _asked(trainer, root, inputs, is_parent=number < parents, say=say))
        with np.load(path) as stored:
            found |= {name: stored[name] for name in stored.files}
    return found


def _asked(
    trainer: Trainer, root: str, inputs: Pool, *, is_parent: bool, say: Callable[[str], None]
) -> dict[str, np.ndarray]:
    found = {}
    for name, condition, state in networks_of(trainer, root, is_parent=is_parent):
        outputs, features = answers_of(trainer.loaded(state), inputs.images, mean=[MEAN], std=[STD])
        found[f"{name}|{root}|{condition}"] = outputs
        if condition == "root":
            found[f"features|{name}"] = features.astype(np.float16)
        right = (outputs.argmax(1) == inputs.labels)[: inputs.natural].mean()
        say(f"{trainer.world.id} {name}: {right:.3f} right")
    return found


def _store(path: Path, arrays: dict[str, np.ndarray]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part.npz")
    np.savez(part, **arrays)
    part.rename(path)
