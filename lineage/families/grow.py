"""Trains the networks of one family, and writes each to its file."""

from collections.abc import Callable, Iterator
from pathlib import Path

from safetensors.torch import load_file, save_file
from torch import nn

from lineage.families.fitting import accuracy, fitted
from lineage.families.networks import network, relative_change, start_from
from lineage.families.plan import RUN_OF, RUNS, Family, Run
from lineage.families.recipes import Training
from lineage.families.tasks import Task, task
from lineage.storage.atomic import written_whole

UNTRAINED = Training(task="home", epochs=0)
"""What an initialisation is looked at with."""


def grow(family: Family, folder: Path, say: Callable[[str], None]) -> Iterator[dict]:
    """Trains one network after another, and gives a row of the table of models for each.

    Args:
        family: which.
        folder: where `<model>.safetensors` of each go; a network starts from its parent's file there.
        say: takes a line for each network.
    """
    for run in RUNS:
        training = run.training or UNTRAINED
        learned = task(training.task, family)
        net = _start(run, family, learned, folder)
        optimiser = training.optimiser or family.optimiser
        before = None if run.parent is None else load_file(path_of(folder, run.parent))
        parent = run.parent
        for number, steps in enumerate(_pauses(net, run, family, learned, optimiser), start=1):
            if not (run.each_epoch or _is_last(number, training)):
                continue
            id = f"{run.id}.{number}" if run.each_epoch else run.id
            state = {name: value.detach().clone() for name, value in net.state_dict().items()}
            with written_whole(path_of(folder, id)) as part:
                save_file(state, part)
            row = {
                "family": family.id,
                "model": id,
                "parent": parent,
                "kind": run.kind,
                "recipe": run.id,
                "architecture": family.architecture,
                "family_optimiser": family.optimiser,
                "optimiser": optimiser if run.training else None,
                "width": family.width,
                "task": training.task if run.training else None,
                "home": family.home,
                "steps": steps,
                "change": None if before is None else relative_change(before, state),
                "accuracy": accuracy(net, learned),
                "chance": 1 / learned.classes,
            }
            moved = "" if before is None else f", moved {row['change']:.3f}"
            say(f"{family.id} {family.width} {id}: {row['accuracy']:.2f} right in {training.task}{moved}")
            yield row
            if run.each_epoch:
                parent, before = id, state


def path_of(folder: Path, model: str) -> Path:
    """The file of a network in its family's folder."""
    return folder / f"{model}.safetensors"


def _is_last(number: int, training: Training) -> bool:
    """Whether a pause is the training's last; LoRA and a few steps pause once, and so does no training."""
    return number == (1 if training.lora is not None or training.steps else max(1, training.epochs))


def _pauses(net: nn.Module, run: Run, family: Family, learned: Task, optimiser: str) -> Iterator[int]:
    """The steps done at each pause of a run."""
    if run.training is None:
        return iter([0])
    seed = family.seed_for(f"order of {run.order or run.id}")
    return fitted(
        net, learned, run.training, architecture=family.architecture, optimiser=optimiser, seed=seed
    )


def _start(run: Run, family: Family, learned: Task, folder: Path) -> nn.Module:
    """A network with the parent's weights; the head is new where the classes are others."""
    net = network(
        family.architecture, width=family.width, classes=learned.classes, seed=family.seed_for(run.id)
    )
    if run.parent is not None:
        is_head_new = _classes(run) != _classes(RUN_OF[run.parent])
        start_from(net, load_file(path_of(folder, run.parent)), is_head_new=is_head_new)
    return net


def _classes(run: Run) -> str:
    """A name for what a run's head tells apart."""
    learned = (run.training or UNTRAINED).task
    return "home" if learned == "more" else learned
