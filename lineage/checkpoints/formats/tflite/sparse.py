"""Sparse tensors of TensorFlow Lite: the places of the numbers that are stored.

A tensor is walked axis by axis, in an order that the file gives, and blocks of it as further axes. An axis is dense,
and every place of it is stored, or compressed, and segments say which. Source: tensorflow/lite/schema/schema.fbs,
`SparsityParameters`; Chou et al. 2018 (doi:10.1145/3276493).
"""

import math

import numpy as np

from lineage.checkpoints.formats.tflite.flatbuffer import Table

ORDER, BLOCKS, AXES = 0, 1, 2
COMPRESSED, LENGTH, SEGMENTS_TYPE, SEGMENTS, INDICES_TYPE, INDICES = range(6)
KINDS = {1: "<i4", 2: "<u2", 3: "<u1"}
"""Types of the lists of an axis, by the union's number."""


def dense(stored: np.ndarray, shape: tuple[int, ...], sparsity: Table) -> np.ndarray:
    """The whole tensor, zero where nothing is stored.

    Raises:
        ValueError: for places outside of the shape, or of another number than the numbers stored.
    """
    order, blocks = _numbers(sparsity, ORDER), _numbers(sparsity, BLOCKS)
    axes = list(sparsity.tables(AXES))
    if len(axes) != len(order) or sorted(order) != list(range(len(order))):
        raise ValueError(f"its sparse axes are walked as {order}; expected each of {len(axes)} once")
    if len(order) != len(shape) + len(blocks) or any(not 0 <= axis < len(shape) for axis in blocks):
        raise ValueError(f"its shape {shape} has not the blocks {blocks} of its sparse axes")
    lengths = {axis: table.number(LENGTH, "i") for axis, table in zip(order, axes, strict=True)}
    places: dict[int, np.ndarray] = {}
    found = np.zeros(1, np.int64)
    for axis, table in zip(order, axes, strict=True):
        before, here, found = _walked(found, table, math.prod(shape))
        places = {known: values[before] for known, values in places.items()} | {axis: here}
    if len(found) and found.max() >= len(stored):
        raise ValueError(f"its sparse axes have {found.max() + 1:,} places for {len(stored):,} numbers")
    whole = [places[axis] for axis in range(len(shape))]
    for number, axis in enumerate(blocks, start=len(shape)):
        whole[axis] = whole[axis] * lengths[number] + places[number]
    if any((at < 0).any() or (at >= length).any() for at, length in zip(whole, shape, strict=True)):
        raise ValueError(f"its sparse axes lead out of its shape {shape}")
    values = np.zeros(shape, stored.dtype)
    values[tuple(whole)] = stored[found]
    return values


def _walked(found: np.ndarray, table: Table, most: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One axis further: for each place which one it was before, where it is on this axis, and its number from now on.

    Args:
        found: numbers of the places so far; table: of the axis; most: places that the tensor has.
    """
    if not table.number(COMPRESSED, "b"):
        length = table.number(LENGTH, "i")
        if length < 1 or len(found) * length > most:
            raise ValueError(f"a sparse axis of {length:,} leads to more than the tensor's {most:,} numbers")
        before = np.repeat(np.arange(len(found)), length)
        here = np.tile(np.arange(length), len(found))
        return before, here, found[before] * length + here
    segments, indices = _list(table, SEGMENTS_TYPE, SEGMENTS), _list(table, INDICES_TYPE, INDICES)
    if len(found) and found.max() + 1 >= len(segments):
        raise ValueError(f"a sparse axis has {len(segments)} segments for {found.max() + 1:,} places")
    starts, counts = segments[found], segments[found + 1] - segments[found]
    if (counts < 0).any() or (starts < 0).any() or counts.sum() > most:
        raise ValueError("the segments of a sparse axis do not follow each other")
    before = np.repeat(np.arange(len(found)), counts)
    after = np.arange(len(before)) - np.repeat(np.cumsum(counts) - counts, counts) + starts[before]
    if len(after) and after.max() >= len(indices):
        raise ValueError(f"the segments of a sparse axis lead beyond its {len(indices):,} indices")
    return before, indices[after], after


def _numbers(table: Table, field: int) -> list[int]:
    start, count = table.vector(field, 4)
    if count > 32:
        raise ValueError(f"{count:,} sparse axes")
    return np.frombuffer(table.data, "<i4", count, start).tolist()


def _list(table: Table, kind: int, field: int) -> np.ndarray:
    """Segments or indices of a compressed axis, as int64."""
    numbers, known = table.table(field), KINDS.get(table.number(kind, "B"))
    if numbers is None or known is None:
        raise ValueError("a compressed axis lacks its segments or indices")
    start, count = numbers.vector(0, np.dtype(known).itemsize)
    return np.frombuffer(table.data, known, count, start).astype(np.int64)
