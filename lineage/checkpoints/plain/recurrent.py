"""Recurrent layers of other frameworks, in PyTorch's names, axes and order of gates.

PyTorch stacks the gates of an LSTM as input, forget, cell, output and of a GRU as reset, update, new, each
[neurons, inputs]. ONNX has [directions, gates · neurons, inputs], as input, output, forget, cell and update, reset,
hidden; Keras has [inputs, gates · neurons], as input, forget, cell, output and update, reset, hidden.
"""

from collections.abc import Callable, Sequence

import numpy as np

from lineage.checkpoints.checkpoint import Entry, natural
from lineage.checkpoints.plain.parts import Entries, read

OF_ONNX = {4: (0, 2, 3, 1), 3: (1, 0, 2), 1: (0,)}
OF_KERAS = {4: (0, 1, 2, 3), 3: (1, 0, 2), 1: (0,)}
OF_PYTORCH = {4: (0, 1, 2, 3), 3: (0, 1, 2)}
"""By the number of gates: where in the file each of PyTorch's gates stands."""
KERNELS = {"recurrent_kernel": "kernel", "cell.vars.1": "cell.vars.0"}
"""What Keras calls the weights of the neurons, and those of the inputs."""
SAID = ("weight_ih", "weight_hh", *KERNELS)
"""Names that say that a matrix is of a recurrent layer."""


def gates_in_order(entries: Entries) -> tuple[dict[str, Entry], str | None]:
    """The tensors with recurrent layers as PyTorch has them: `weight_ih_l0`, `weight_hh_l0`."""
    found: dict[str, dict[str, Entry]] = {}
    names = sorted(entries, key=natural) if list(entries) == sorted(entries) else list(entries)
    for place, name in enumerate(names):
        found |= _of_keras(name, entries)
        if place + 1 < len(names) and name not in found:
            found |= _of_onnx(name, names[place + 1], entries)
            found |= _of_shapes(name, names[place + 1 : place + 4], entries)
    result = {}
    for name, entry in entries.items():
        result |= found.get(name, {name: entry})
    return result, f"{len(found) // 2} recurrent layers were read as PyTorch has them" if found else None


def _of_keras(name: str, entries: Entries) -> dict[str, dict[str, Entry]]:
    """The weights of the neurons [neurons, gates · neurons], beside those of the inputs."""
    called = next((called for called in KERNELS if called in name), None)
    if called is None:
        return {}
    stem, _, suffix = name.partition(called)
    partner = f"{stem}{KERNELS[called]}{suffix}"
    if partner not in entries:
        return {}
    shapes = entries[partner].shape, entries[name].shape
    if any(len(shape) != 2 for shape in shapes) or shapes[0][1] != shapes[1][1] or not shapes[1][0]:
        return {}
    gates = shapes[1][1] // shapes[1][0]
    if gates not in OF_KERAS or gates * shapes[1][0] != shapes[1][1]:
        return {}
    return {
        given: {f"{stem}{called}": _ordered(entries[given], OF_KERAS[gates], np.transpose, is_turned=True)}
        for given, called in ((partner, "weight_ih_l0"), (name, "weight_hh_l0"))
    }


def _of_shapes(name: str, following: Sequence[str], entries: Entries) -> dict[str, dict[str, Entry]]:
    """Matrices whose names do not say it: of the inputs, of the neurons, and one or two biases, all of one length.

    That length is three or four times the neurons', and comes first in PyTorch's order and last in Keras'.
    """
    shapes = [entries[each].shape for each in (name, *following)]
    if len(shapes) < 3 or any(word in name or word in following[0] for word in SAID):
        return {}
    for view, orders in ((_as_it_is, OF_PYTORCH), (np.transpose, OF_KERAS)):
        is_turned = view is np.transpose
        inputs, recurrent = (shape[::-1] if is_turned else shape for shape in shapes[:2])
        if len(inputs) != 2 or len(recurrent) != 2 or inputs[0] != recurrent[0] or not recurrent[1]:
            continue
        gates, left = divmod(recurrent[0], recurrent[1])
        biases = {(recurrent[0],), (2, recurrent[0])} if is_turned else {(recurrent[0],)}
        if left or gates not in (3, 4) or shapes[2] not in biases:
            continue
        return {
            given: {f"{name}.{called}": _ordered(entries[given], orders[gates], view, is_turned=is_turned)}
            for given, called in ((name, "weight_ih_l0"), (following[0], "weight_hh_l0"))
        }
    return {}


def _as_it_is(values: np.ndarray) -> np.ndarray:
    return values


def _of_onnx(name: str, following: str, entries: Entries) -> dict[str, dict[str, Entry]]:
    """The input weights [directions, gates · neurons, inputs], followed by those of the neurons."""
    shapes = entries[name].shape, entries[following].shape
    if any(len(shape) != 3 for shape in shapes) or shapes[0][:2] != shapes[1][:2]:
        return {}
    directions, stacked, neurons = shapes[1]
    if directions not in (1, 2) or not neurons or stacked % neurons or stacked // neurons not in (3, 4):
        return {}
    gates = OF_ONNX[stacked // neurons]
    return {
        given: {
            f"{name}.{called}{suffix}": _ordered(entries[given], gates, lambda values, at=at: values[at])
            for at, suffix in enumerate(("", "_reverse")[:directions])
        }
        for given, called in ((name, "weight_ih_l0"), (following, "weight_hh_l0"))
    }


def _ordered(
    entry: Entry, places: Sequence[int], view: Callable[[np.ndarray], np.ndarray], *, is_turned: bool = False
) -> Entry:
    """An entry's view [gates · neurons, k], its axes turned or a direction chosen, with gate places[i] at i."""
    shape = entry.shape[::-1] if is_turned else entry.shape[-2:]

    def load() -> np.ndarray:
        values = view(read(entry))
        stacked = values.reshape(len(places), -1, values.shape[1])
        return stacked[list(places)].reshape(values.shape)

    return Entry(shape, entry.dtype, load)
