"""Keras' layouts of HDF5: whole models (`.h5`), and weights (`.weights.h5`).

Source: keras/src/legacy/saving/legacy_h5_format.py, keras/src/saving/saving_lib.py.
"""

import re
from collections.abc import Callable, Iterator

import h5py

from lineage.checkpoints.files import LIMITS

OPTIMISER = ("optimizer", "optimizer_weights", "top_level_model_weights")
LAYERS = {"layers", "_layer_checkpoint_dependencies", "vars", "_vars"}

Datasets = Callable[[h5py.Group, str], Iterator[tuple[str, h5py.Dataset]]]


def is_keras(opened: h5py.File) -> bool:
    """Whether an HDF5 file has one of Keras' layouts."""
    return (
        "model_weights" in opened
        or "layer_names" in opened.attrs
        or "keras_version" in opened.attrs
        or not LAYERS.isdisjoint(opened)
    )


def tensors_of_keras(opened: h5py.File, datasets: Datasets) -> Iterator[tuple[str, h5py.Dataset]]:
    """The weights of a model in the order of its layers, or else of their numbers; those of its optimiser are not.

    Args:
        opened: the file; datasets: gives the tensors of a group.
    """
    root = opened.get("model_weights", opened)
    found = {
        name.removesuffix(":0"): dataset
        for name, dataset in datasets(root, "")
        if name.split(".")[0] not in OPTIMISER
    }
    order = _order(root)
    yield from sorted(
        found.items(), key=lambda item: (order.get(item[0].split(".")[0], 0), _natural(item[0]))
    )


def _order(root: h5py.Group) -> dict[str, int]:
    """The places of the layers, as older versions of Keras list them."""
    names = root.attrs.get("layer_names", ())
    if len(names) > LIMITS.tensors:
        return {}
    return {
        name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name): place
        for place, name in enumerate(names)
    }


def _natural(name: str) -> list[tuple[int, str]]:
    """Layers and variables are numbered: dense_2 comes before dense_10."""
    return [(int(part), "") if part.isdigit() else (0, part) for part in re.split(r"(\d{1,9})", name)]
