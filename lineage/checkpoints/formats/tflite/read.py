"""TensorFlow Lite: the constant tensors of all graphs, quantised ones times their scale.

Source: tensorflow/lite/schema/schema.fbs.
"""

import math
import mmap
import struct

import ml_dtypes
import numpy as np

from lineage.checkpoints.checkpoint import Checkpoint, Entry, LeftOut, check_elements
from lineage.checkpoints.files import LIMITS, SafeFile
from lineage.checkpoints.formats.tflite.flatbuffer import Table, root_of
from lineage.checkpoints.formats.tflite.sparse import dense
from lineage.checkpoints.quantised.arithmetic import scaled
from lineage.checkpoints.quantised.weights import left_out_of
from lineage.errors import UserError, one_line

SUBGRAPHS, BUFFERS = 2, 4
TENSORS = 0
SHAPE, TYPE, BUFFER, NAME, QUANTISATION, SPARSITY = 0, 1, 2, 3, 4, 6
SCALE, ZERO, AXIS = 2, 3, 6
DATA, OFFSET, SIZE = 0, 1, 2
TYPES = {
    0: np.float32,
    1: np.float16,
    10: np.float64,
    18: ml_dtypes.bfloat16,
    2: np.int32,
    3: np.uint8,
    4: np.int64,
    6: np.bool_,
    7: np.int16,
    9: np.int8,
    12: np.uint64,
    15: np.uint32,
    16: np.uint16,
    17: ml_dtypes.int4,
}
INT4 = 17
FLOATS = {0, 1, 10, 18}


def read_tflite(file: SafeFile) -> list[Checkpoint]:
    """The weights of a model.

    Raises:
        UserError: for a broken or truncated file, or tensors that it does not hold.
    """
    try:
        with file.real.open("rb") as stream:
            data = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        model = root_of(data)
        spans = [_span(buffer) for buffer in model.tables(BUFFERS)]
        entries: dict[str, Entry] = {}
        left_out: dict[str, LeftOut] = {}
        for graph in model.tables(SUBGRAPHS):
            for tensor in graph.tables(TENSORS):
                if len(entries) + len(left_out) > LIMITS.tensors:
                    raise ValueError(f"more than {LIMITS.tensors:,} tensors")
                _add(file, data, tensor, spans, entries, left_out)
    except (ValueError, struct.error, OverflowError) as error:
        raise UserError(f"{file.path}: broken TFLite file: {one_line(error)}") from None
    return [Checkpoint(file.path.name, "tflite", [file], entries, left_out)]


def _span(buffer: Table) -> tuple[int, int]:
    """Where a buffer's bytes lie, and how many there are; large files have them outside of the tables."""
    start, size = buffer.vector(DATA, 1)
    offset = buffer.number(OFFSET, "Q")
    if not size and offset > 1:
        start, size = offset, buffer.number(SIZE, "Q")
    if start + size > len(buffer.data):
        raise ValueError("a buffer ends after the file; it is truncated")
    return start, size


def _add(file: SafeFile, data: mmap.mmap, tensor: Table, spans: list, entries: dict, left_out: dict) -> None:
    place = tensor.number(BUFFER, "I")
    start, size = spans[place] if place < len(spans) else (0, 0)
    at, axes = tensor.vector(SHAPE, 4)
    if not size or axes > 16:
        return
    name, kind = tensor.text(NAME) or f"buffer {place}", tensor.number(TYPE, "b")
    name = name if name not in entries and name not in left_out else f"{name}#{place}"
    shape = struct.unpack_from(f"<{axes}i", data, at)
    check_elements(file.path, name, shape)
    if kind not in TYPES:
        left_out[name] = LeftOut(f"type {kind}: no weights", shape)
        return
    dtype, count = np.dtype(TYPES[kind]), math.prod(shape)
    if count <= 1:
        left_out[name] = LeftOut.of("a constant of the graph, no weights", shape, dtype.name)
        return
    sparsity = tensor.table(SPARSITY)
    taken = -(-count // 2) if kind == INT4 else count * dtype.itemsize
    if sparsity and kind == INT4:
        left_out[name] = LeftOut.of("sparse weights of 4 bits, which are not read", shape, dtype.name)
        return
    if sparsity:
        taken = size - size % dtype.itemsize
    if taken > size:
        raise ValueError(f"tensor {name!r} of shape {shape} takes {taken:,} bytes, but {size:,} are stored")
    scale = tensor.table(QUANTISATION)
    scales = scale.vector(SCALE, 4) if scale else (0, 0)

    def load() -> np.ndarray:
        if not sparsity:
            return _stored(data, start, taken, dtype, shape)
        return dense(_stored(data, start, taken, dtype, (taken // dtype.itemsize,)), shape, sparsity)

    if kind in FLOATS:
        entries[name] = Entry(shape, dtype.name, load)
    elif scales[1]:
        entries[name] = Entry(shape, dtype.name, lambda: _dequantised(load(), scale))
    else:
        left_out[name] = left_out_of(name, shape, dtype.name)


def _stored(data: mmap.mmap, start: int, taken: int, dtype: np.dtype, shape: tuple[int, ...]) -> np.ndarray:
    found = np.frombuffer(data, np.uint8, taken, start)
    if dtype == ml_dtypes.int4:
        halves = np.stack([found & 15, found >> 4], axis=1).reshape(-1)[: math.prod(shape)]
        return halves.view(ml_dtypes.int4).astype(np.int8).reshape(shape)
    return np.array(found, subok=False).view(dtype).reshape(shape)


def _dequantised(values: np.ndarray, scale: Table) -> np.ndarray:
    """(q − zero point) · scale; a scale for each channel goes along the axis that the file names."""
    (at, count), (zeros_at, zeros) = scale.vector(SCALE, 4), scale.vector(ZERO, 8)
    steps = np.frombuffer(scale.data, "<f4", count, at)
    offset = np.frombuffer(scale.data, "<i8", zeros, zeros_at) if zeros == count else np.zeros(count)
    if count > 1:
        axis = scale.number(AXIS, "i")
        if not 0 <= axis < values.ndim or values.shape[axis] != count:
            raise ValueError(f"its scale has {count} values, which axis {axis} of {values.shape} has not")
        along = [-1 if place == axis else 1 for place in range(values.ndim)]
        steps, offset = steps.reshape(along), offset.reshape(along)
    return scaled(values, steps, offset)
