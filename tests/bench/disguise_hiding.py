"""What still hides a relation: knowledge distillation, and training on until nothing is left, with distances."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from disguise_cases import UNRELATED, UNSEEN, Families, Measured
from disguise_seeds import state_of
from torch import nn
from torch.nn.functional import cross_entropy, mse_loss

from lineage.families.cases.changes import State, matrices
from lineage.families.networks import network
from lineage.families.tasks import BATCH, Task, task
from lineage.relation.alignment.align import align

ARCHITECTURES = ("mlp", "conv")
WIDTH, CLASSES = 64, 10
STEPS_OF_STUDENTS, STEP, MOST_STEPS = 600, 50, 1500
RATE_OF_STUDENTS, RATE = 3e-3, 1e-2


def hiding(folder: Path, rows: Measured, limit: float) -> Iterator[dict]:
    """Students beside their teachers, and roots that are trained on.

    Args:
        folder: of grown families; rows: measured before; limit: the largest margin of independent networks.
    """
    for architecture in ARCHITECTURES:
        families = Families(folder, architecture, UNSEEN)
        for name in sorted(family for family, width in families.width.items() if width == WIDTH):
            yield rows.add(f"student {name}", of_student, families, name, foreign(families, name))
            yield rows.add(f"trained on {name}", of_training, families, name, limit)


def foreign(families: Families, name: str) -> list[State]:
    """Networks that a student did not learn from: of strangers, and the one that learned the same apart."""
    models = itertools.product(families.strangers(name), UNRELATED)
    return [families.state(name, "scratch"), *(families.state(*model) for model in models)]


def of_student(families: Families, name: str, strangers: list[State]) -> dict:
    """How well a student of a root, from random weights of its own, aligns with its teacher, and with strangers."""
    teacher = loaded(families, name)
    student = network(families.architecture, width=WIDTH, classes=CLASSES, seed=1000)
    images = task("home", families.family[name]).images
    with torch.no_grad():
        wanted = teacher(images)
    for batch in batches(student, STEPS_OF_STUDENTS, len(images), RATE_OF_STUDENTS):
        mse_loss(student(images[batch]), wanted[batch]).backward()
    agreement = float((student(images).argmax(1) == wanted.argmax(1)).float().mean())
    state = state_of(student)
    return {
        "kind": "student",
        "architecture": families.architecture,
        "agreement": agreement,
        "margin": align(state, families.state(name, "root")).margin,
        "foreign": [align(state, stranger).margin for stranger in strangers],
    }


def of_training(families: Families, name: str, limit: float) -> dict:
    """How far a root has to be trained on, with other labels, until it aligns no better than independent networks."""
    net, start = loaded(families, name), families.state(name, "root")
    learned: Task = task("away", families.family[name])
    labels, found = learned.labels.flip(0), []
    for number, batch in enumerate(batches(net, MOST_STEPS, len(learned.images), RATE), start=1):
        cross_entropy(net(learned.images[batch]), labels[batch]).backward()
        if number % STEP == 0:
            state = state_of(net)
            found.append((number, distance(state, start), align(state, start).margin))
            if found[-1][2] <= limit:
                break
    steps, moved, margin = found[-1]
    return {
        "kind": "trained on",
        "architecture": families.architecture,
        "steps": steps,
        "distance": moved,
        "margin": margin,
        "is_lost": margin <= limit,
    }


def loaded(families: Families, name: str) -> nn.Module:
    net = network(families.architecture, width=WIDTH, classes=CLASSES, seed=0)
    state = {key: torch.from_numpy(values) for key, values in families.state(name, "root").items()}
    net.load_state_dict(state, strict=False)
    return net.eval()


def batches(net: nn.Module, steps: int, count: int, rate: float) -> Iterator[torch.Tensor]:
    """Places of images, each before a step of Adam."""
    optimiser = torch.optim.Adam(net.parameters(), rate)
    draw = torch.Generator().manual_seed(0)
    for _ in range(steps):
        optimiser.zero_grad()
        net.train()
        yield torch.randint(count, (BATCH,), generator=draw)
        net.eval()
        optimiser.step()


def distance(state: State, start: State) -> float:
    """The change of the backbone's matrices, relative to where it started."""
    names = matrices(start)
    moved = sum(float(np.square(state[name] - start[name]).sum()) for name in names)
    return float(np.sqrt(moved / sum(float(np.square(start[name]).sum()) for name in names)))
