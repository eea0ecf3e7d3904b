"""The order of a kernel's axes, told from the shapes of all kernels: PyTorch's, TensorFlow's or MLX's.

A kernel's places in space are few and mostly equal, or odd numbers; its inputs and outputs are neither.
"""

import re
from collections import Counter

import numpy as np

from lineage.checkpoints.checkpoint import Entry
from lineage.checkpoints.plain.parts import Entries, read

WIDEST, WIDEST_PATCH = 13, 32
"""A kernel is seldom wider; one that cuts an image into squares may be, with more outputs than places on a side."""
NARROW = 4
"""Up to so many places a kernel's space may well be even."""
WEIGHT = re.compile(r"(?:^|[./])(?P<leaf>weight|(?:pointwise_)?kernel|w)(?P<ending>:0)?$")
"""What frameworks call the matrix of a layer."""


def outputs_first(entries: Entries, usual: str | None = None) -> tuple[dict[str, Entry], str | None]:
    """The tensors with the axes of all kernels in PyTorch's order: outputs, inputs, then those in space.

    Kernels in one, two and three dimensions are told together; PyTorch's order is taken unless more kernels
    contradict it than fit it.

    Args:
        entries: of a model; usual: the order in its format, see ORDERS, taken unless more kernels fit PyTorch's.
    """
    kernels = {name: entry.shape for name, entry in entries.items() if is_kernel(entry.shape)}
    votes = Counter(vote for shape in kernels.values() if (vote := order_of(shape)))
    if not votes:
        return dict(entries), None
    order = usual or votes.most_common(1)[0][0]
    is_contradicted = votes[order] < votes["OI.."] if usual else votes[order] <= votes["OI.."]
    if order == "OI.." or is_contradicted:
        return dict(entries), None
    moved = {name: _moved(entry, order) if name in kernels else entry for name, entry in entries.items()}
    return moved, f"kernels lie as {ORDERS[order]} and were read as outputs x inputs x space"


def of_one_place(entries: Entries) -> tuple[dict[str, Entry], str | None]:
    """The tensors with kernels of one place, [1, inputs, outputs] or [1, outputs, inputs], as matrices.

    A table of positions has the shape of one as well, but is seldom called a weight; a kernel of one output has a
    single bias, or fewer places than WIDEST_PATCH.
    """
    lying = {name for name, entry in entries.items() if _is_of_one_place(name, entry.shape, entries)}
    flat = {name: _matrix(entry) if name in lying else entry for name, entry in entries.items()}
    return flat, f"{len(lying)} kernels of one place were read as matrices" if lying else None


def _is_of_one_place(name: str, shape: tuple[int, ...], entries: Entries) -> bool:
    found = WEIGHT.search(name)
    if found is None or len(shape) != 3 or shape[0] != 1 or min(shape[1:]) == 1:
        return False
    stem, ending = name[: found.start("leaf")], found["ending"] or ""
    biases = [entries[bias].shape for leaf in ("bias", "b") if (bias := f"{stem}{leaf}{ending}") in entries]
    if biases:
        return any(bias in (shape[1:2], shape[2:]) for bias in biases)
    return min(shape[1:]) > WIDEST_PATCH


def _matrix(entry: Entry) -> Entry:
    return Entry(entry.shape[1:], entry.dtype, lambda: read(entry)[0])


ORDERS = {
    "OI..": "outputs x inputs x space",
    "..IO": "space x inputs x outputs",
    "O..I": "outputs x space x inputs",
}


USUAL = {
    "tensorflow": "..IO",
    "tensorflow graph": "..IO",
    "tensorflow.js": "..IO",
    "keras": "..IO",
    "tflite": "O..I",
}
"""By format, the order in which its own framework has kernels."""


def is_kernel(shape: tuple[int, ...]) -> bool:
    """Whether a tensor may be a kernel; one with a single row of rows is a table of positions."""
    return len(shape) in (4, 5) or (len(shape) == 3 and shape[0] > 1)


def order_of(shape: tuple[int, ...]) -> str | None:
    """The order of a kernel's axes, if its shape fits one order better than the others."""
    fitting = {}
    for order, space in (("OI..", shape[2:]), ("..IO", shape[:-2]), ("O..I", shape[1:-1])):
        others = _others(shape, order)
        is_patch = len(set(space)) == 1 and len(space) > 1 and max(space) < max(others)
        is_space = max(space) <= (WIDEST_PATCH if is_patch else WIDEST) and max(*space, min(others)) > 1
        if is_space and (len(shape) > 3 or max(space) < min(others)):
            fitting[order] = _likely(space)
    best = [order for order, likely in fitting.items() if likely == max(fitting.values()) > 0]
    return best[0] if len(best) == 1 else None


def _likely(space: tuple[int, ...]) -> int:
    """How likely lengths are those of a kernel's space: 3 × 3 and the like, 7 × 1, 8 × 8, all others not at all."""
    if len(set(space)) == 1:
        return 3 if space[0] % 2 or space[0] <= NARROW else 1
    return 2 if all(length % 2 for length in space) else 0


def _others(shape: tuple[int, ...], order: str) -> tuple[int, int]:
    return {"OI..": (shape[0], shape[1]), "..IO": (shape[-1], shape[-2]), "O..I": (shape[0], shape[-1])}[
        order
    ]


def _moved(entry: Entry, order: str) -> Entry:
    last = len(entry.shape) - 1
    axes = (last, last - 1, *range(last - 1)) if order == "..IO" else (0, last, *range(1, last))
    shape = tuple(entry.shape[axis] for axis in axes)
    return Entry(shape, entry.dtype, lambda: np.transpose(read(entry), axes))
