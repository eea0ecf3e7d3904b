"""Recurrent layers, whose matrices stack several gates of the same neurons."""

from collections.abc import Mapping

import numpy as np

GATES = (1, 3, 4)
"""Of a plain recurrent layer, a GRU and an LSTM."""
TIED = ("weight_hh", "weight_ih", "recurrent_kernel")
"""Recurrent layers, whose rows and columns are the same neurons."""


def is_recurrent(name: str) -> bool:
    """Whether a matrix is of a recurrent layer, by its name."""
    return any(tie in name for tie in TIED)


def gates_of(name: str, shapes: Mapping[str, tuple[int, ...]]) -> int | None:
    """How many gates a recurrent layer's input weights [gates · neurons, inputs] stack; None of other matrices.

    The layer's recurrent weights [gates · neurons, neurons] tell.
    """
    recurrent = shapes.get(name.replace("weight_ih", "weight_hh"), ())
    if "weight_ih" not in name or len(recurrent) != 2 or recurrent[0] % recurrent[1]:
        return None
    gates = recurrent[0] // recurrent[1]
    return gates if gates in GATES and shapes[name][0] == recurrent[0] else None


def by_neuron(values: np.ndarray, gates: int) -> np.ndarray:
    """Input weights of all gates [gates · neurons, inputs] as one row a neuron: [neurons, gates · inputs].

    A recurrent layer's neurons may change places if those of all its gates do.
    """
    stacked = values.reshape(gates, len(values) // gates, -1)
    return stacked.transpose(1, 0, 2).reshape(stacked.shape[1], -1)


def inputs_of(name: str, shapes: Mapping[str, tuple[int, ...]]) -> str | None:
    """The input weights of the layer that recurrent weights belong to; None of other matrices."""
    inputs = name.replace("weight_hh", "weight_ih")
    return inputs if inputs != name and inputs in shapes and gates_of(inputs, shapes) else None


def along_two_steps(recurrent: np.ndarray, inputs: np.ndarray) -> np.ndarray:
    """What recurrent weights do with the inputs of the step before: rows are neurons, columns are inputs.

    The rows and columns of recurrent weights are the same neurons, so W becomes PWPᵀ if they change places, and the
    input weights U become PU. Their product becomes PWU: its rows alone change places.

    Args:
        recurrent: [gates · neurons, neurons]; inputs: [gates · neurons, inputs].

    Returns:
        [neurons, gates · inputs]: of every gate, with the input weights of all gates added up.
    """
    neurons = recurrent.shape[1]
    added = inputs.reshape(len(inputs) // neurons, neurons, -1).sum(0)
    return by_neuron(recurrent @ added, len(recurrent) // neurons)
