"""Trains the networks of a random tree, and writes each to its file."""

from collections.abc import Callable, Iterator
from pathlib import Path

from safetensors.torch import load_file, save_file

from lineage.families.fitting import fitted
from lineage.families.networks import network, start_from
from lineage.families.plan import Family
from lineage.families.random_trees import RandomTree
from lineage.families.recipes import Training
from lineage.families.tasks import task
from lineage.storage.atomic import written_whole


def grow_tree(tree: RandomTree, folder: Path, say: Callable[[str], None]) -> Iterator[tuple[str, Path]]:
    """Trains what is not there yet, and gives each model's name and its file.

    Args:
        folder: where `<name>.safetensors` of each go; say: takes a line for each network that is trained.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, step in tree.steps.items():
        path = folder / f"{name}.safetensors"
        if not path.exists():
            start = None if step.parent is None else folder / f"{step.parent}.safetensors"
            train(step.family, step.training, tree.seed_for(name), start, path)
            say(f"{tree.id} {tree.width} {name}")
        yield name, path


def train(family: Family, training: Training, seed: int, start: Path | None, path: Path) -> None:
    """Trains a network on a family's images, from another one's weights but the head's, or from random ones.

    Args:
        family: its architecture, width, optimiser and images; seed: of the order of images and of new weights.
        start: a file of weights, None for random ones; path: where the network goes.
    """
    learned = task(training.task, family)
    net = network(family.architecture, width=family.width, classes=learned.classes, seed=seed)
    if start is not None:
        start_from(net, load_file(start), is_head_new=True)
    for _ in fitted(
        net, learned, training, architecture=family.architecture, optimiser=family.optimiser, seed=seed
    ):
        pass
    with written_whole(path) as part:
        save_file({name: value.contiguous() for name, value in net.state_dict().items()}, part)
