"""A table of writers of formats that are read, and layers as the frameworks lay them out."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from reading_networks import State

Writer = Callable[[State, Path], Path]
"""Writes a state into a folder, and gives the file to read."""


def table_of_writers() -> tuple[dict[str, Writer], Callable[[str], Callable[[Writer], Writer]]]:
    """Writers by the names of their formats, and the decorator that puts one into the table."""
    table: dict[str, Writer] = {}

    def named(name: str) -> Callable[[Writer], Writer]:
        def keep(function: Writer) -> Writer:
            table[name] = function
            return function

        return keep

    return table, named


def inputs_first(values: np.ndarray) -> np.ndarray:
    """As TensorFlow, Keras and Flax have kernels."""
    return np.ascontiguousarray(values.transpose(2, 3, 1, 0) if values.ndim == 4 else values.T)


def as_tree(state: State) -> dict[str, dict[str, np.ndarray]]:
    """Layers of kernels, as those frameworks call them; recurrent matrices and tables keep their names."""
    tree: dict[str, dict[str, np.ndarray]] = {}
    for name, values in state.items():
        layer, _, own = name.rpartition(".")
        is_kernel = own == "weight" and values.ndim > 1 and "embed" not in name
        called = "kernel" if is_kernel else "embedding" if "embed" in layer and own == "weight" else own
        tree.setdefault(layer.replace(".", "_"), {})[called] = inputs_first(values) if is_kernel else values
    return tree
