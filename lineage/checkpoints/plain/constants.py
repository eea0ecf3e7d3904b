"""Tensors of real numbers that are no weights: those without a number, and masks of attention."""

import numpy as np

from lineage.checkpoints.checkpoint import SMALL, Checkpoint, LeftOut


def set_aside(model: Checkpoint) -> None:
    """Leaves a model's empty tensors out, and masks of zeros and infinite numbers, unless nothing would be left.

    Masks are told by their names, and then read.
    """
    found = {}
    for name, entry in model.entries.items():
        if 0 in entry.shape:
            found[name] = LeftOut.of("empty, no weights", entry.shape, entry.dtype)
        elif _is_called_mask(name) and np.prod(entry.shape) <= SMALL and _is_mask(model.read(name)):
            found[name] = LeftOut.of("a mask, no weights", entry.shape, entry.dtype)
    if len(found) < len(model.entries):
        model.left_out |= found
        model.entries = {name: entry for name, entry in model.entries.items() if name not in found}


def _is_called_mask(name: str) -> bool:
    return "mask" in name.rpartition(".")[2].lower()


def _is_mask(values: np.ndarray) -> bool:
    infinite = np.isinf(values)
    return bool(infinite.any() and (infinite | (values == 0)).all())
