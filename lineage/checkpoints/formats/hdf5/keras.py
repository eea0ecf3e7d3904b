"""Keras' layouts of HDF5: whole models (`.h5`), and weights (`.weights.h5`).

Source: keras/src/legacy/saving/legacy_h5_format.py, keras/src/saving/saving_lib.py.
"""

from collections.abc import Callable, Iterator, Mapping

import h5py
import numpy as np

from lineage.checkpoints.checkpoint import natural
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
    yield from sorted(found.items(), key=lambda item: (order.get(item[0].split(".")[0], 0), natural(item[0])))


def scales_in(found: Mapping[str, h5py.Dataset]) -> dict[str, tuple[str, int]]:
    """For each kernel or table of 8 bits that Keras 3 quantised, its scale, and the axis that the scale goes along.

    The variables of a layer are numbered: the kernel, its bias if it has one, and the scale, which divides.
    """
    scales = {}
    for name, dataset in found.items():
        layer, _, own = name.rpartition(".")
        if dataset.dtype != "int8" or dataset.ndim != 2 or not own.isdigit() or not layer.endswith("vars"):
            continue
        floats = [variable for variable in found if found[variable].dtype.kind == "f"]
        beside = [variable for variable in floats if variable.rpartition(".")[0] == layer]
        for axis in (1, 0):
            fitting = [
                variable for variable in beside if found[variable].shape == dataset.shape[axis : axis + 1]
            ]
            if fitting:
                scales[name] = max(fitting, key=natural), axis
                break
    return scales


def holds_halves(values: np.ndarray) -> bool:
    """Whether bytes are pairs of numbers of 4 bits: Keras' reach from -7 to 7, so that none of them is -8."""
    return not ((values & 15 == 8) | (values >> 4 == -8)).any()


def _order(root: h5py.Group) -> dict[str, int]:
    """The places of the layers, as older versions of Keras list them."""
    names = root.attrs.get("layer_names", ())
    if len(names) > LIMITS.tensors:
        return {}
    return {
        name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name): place
        for place, name in enumerate(names)
    }
