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

from lineage.asking.choosing.candidates import Size
from lineage.asking.choosing.networks import answers_of
from lineage.asking.choosing.pool import Pool, pool_of
from lineage.asking.choosing.views import together, views_of_one
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
ROOT = "root"
"""The condition of a network that nothing was done to."""
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
OF_MIXES, MIXES = Training(task="distilled", epochs=6), 4
"""Of a student that also learns mixes of two of its images, so many for each image (Beyer et al. 2022, "Knowledge
distillation: a good teacher is patient and consistent", doi:10.1109/CVPR52688.2022.01065)."""


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

    def __init__(self, world: World, folder: Path):
        self.world, self.folder = world, folder
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

    def root(self, name: str) -> State:
        """A network that learned from random weights; one that was trained before is read."""
        path = self.folder / self.world.id / f"{name}.pt"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            state = self.trained(name, None, Training(task="home", epochs=EPOCHS[self.world.kind]))
            torch.save(state, path.with_suffix(".part"))
            path.with_suffix(".part").rename(path)
        return torch.load(path, weights_only=True)

    def network(self, classes: int, seed: int = 0) -> nn.Module:
        return network(self.architecture, width=WIDTH, classes=classes, seed=seed)

    def distilled(self, name: str, teacher: State, *, mixes: int = 0) -> State:
        """A network from random weights that learns what a teacher answers on the images of children, and mixes."""
        more = self.tasks["more"]
        images, order = more.images, torch.Generator().manual_seed(seed_of(f"mixes of {name}"))
        if mixes:
            first, second = torch.randint(len(images), (2, mixes * len(images)), generator=order)
            share = torch.rand(len(first), 1, 1, 1, generator=order)
            images = torch.cat([images, share * images[first] + (1 - share) * images[second]])
        with torch.no_grad():
            labels = self.loaded(teacher)(images).softmax(1)
        training = OF_MIXES if mixes else DISTILLED
        return self.trained(name, None, training, replace(more, images=images, labels=labels))

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
    state = trainer.root(root)
    yield root, ROOT, state
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
    yield f"{root}.student", "student", trainer.distilled(f"{root}.student", state)
    of_mixes = trainer.distilled(f"{root}.student.mixes", state, mixes=MIXES)
    yield f"{root}.student.mixes", "student, of mixes too", of_mixes


def answers(world: World, folder: Path, say: Callable[[str], None]) -> dict[str, np.ndarray]:
    """What every network of a world answers on its pool: `<name>|<root>|<condition>` → log-probabilities [N, C].

    Features of roots stand under `features|<name>`, and their views under `<view>|<name>`; the copies of views that
    are trained further learn what all roots together answer, whoever of them is a candidate.
    """
    inputs, trainer, found = pool(world.kind), Trainer(world, folder), {}
    roots, parents = SIZES[world.architecture]
    names = [f"r{number}" for number in range(roots)]
    for number, root in enumerate(names):
        path = folder / world.id / f"{root}.npz"
        if not path.exists():
            _store(path, _asked(trainer, root, inputs, is_parent=number < parents, say=say))
        with np.load(path) as stored:
            found |= {name: stored[name] for name in stored.files}
    mean = together(np.stack([found[f"{root}|{root}|{ROOT}"] for root in names]))
    for root in names:
        path = folder / world.id / f"{root}.views.npz"
        if not path.exists():
            _store(path, _views(trainer, root, inputs, mean))
            say(f"{world.id} {root}: pruned, and trained further")
        with np.load(path) as stored:
            found |= {name: stored[name] for name in stored.files}
    return found


def _views(trainer: Trainer, root: str, inputs: Pool, mean: np.ndarray) -> dict[str, np.ndarray]:
    network = trainer.loaded(trainer.root(root))
    size = Size(image_size=SIZE, channels=1, mean=[MEAN], std=[STD])
    everywhere = np.arange(len(inputs.labels))
    views = views_of_one(
        network, inputs.images, mean, everywhere, size=size, seed=seed_of(f"views of {root}")
    )
    return {f"{name}|{root}": values for name, values in views.items()}


def _asked(
    trainer: Trainer, root: str, inputs: Pool, *, is_parent: bool, say: Callable[[str], None]
) -> dict[str, np.ndarray]:
    found = {}
    for name, condition, state in networks_of(trainer, root, is_parent=is_parent):
        outputs, features = answers_of(trainer.loaded(state), inputs.images, mean=[MEAN], std=[STD])
        found[f"{name}|{root}|{condition}"] = outputs
        if condition == ROOT:
            found[f"features|{name}"] = features.astype(np.float16)
        right = (outputs.argmax(1) == inputs.labels)[: inputs.natural].mean()
        say(f"{trainer.world.id} {name}: {right:.3f} right")
    return found


def _store(path: Path, arrays: dict[str, np.ndarray]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part.npz")
    np.savez(part, **arrays)
    part.rename(path)
