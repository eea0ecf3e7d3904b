"""ONNX initialisers, those of quantised networks with their scales. The file is mapped and walked, not loaded.

Field numbers are those of onnx.proto: ModelProto.graph 7; GraphProto.node 1, .initializer 5.
"""

import mmap
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from onnx import TensorProto, numpy_helper

from lineage.checkpoints.checkpoint import Checkpoint, Entry, check_elements
from lineage.checkpoints.files import LIMITS, SafeFile, Unsupported, safe_file
from lineage.errors import UserError, one_line

GRAPH, NODE, INITIALIZER = 7, 1, 5
RAW = 9
FLOATS = {TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.BFLOAT16}
QUANTISED = {TensorProto.INT8, TensorProto.UINT8}
DEQUANTISERS = {"DequantizeLinear": (0, 1, 2), "QLinearConv": (3, 4, 5), "QLinearMatMul": (3, 4, 5)}
"""Operators: which of their inputs are the quantised weights, the scale and the zero point."""

Span = tuple[int, int]


def read_onnx(file: SafeFile) -> list[Checkpoint]:
    """The float initialisers of a graph, and the int8 ones that a QuantizeLinear pair or operator scales.

    Raises:
        UserError: for a file that is no ONNX, is truncated, or points to data elsewhere.
    """
    try:
        with file.real.open("rb") as stream:
            data = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        spans, nodes = _contents(file, data)
        headers = {}
        for span in spans:
            header = _header(data, span)
            headers[header.name] = (header, span)
        scales = _scales(data, nodes, headers)
        return [Checkpoint(file.path.name, "onnx", [file], *_entries(file, data, headers, scales))]
    except (DecodeError, IndexError, ValueError, UnicodeDecodeError) as error:
        raise UserError(f"{file.path}: broken ONNX file: {one_line(error)}") from None


def _entries(file: SafeFile, data: mmap.mmap, headers: dict, scales: dict) -> tuple[dict, dict]:
    entries, left_out = {}, {}
    parameters = {name for pair in scales.values() for name in pair if name}
    for name, (header, span) in headers.items():
        if name in parameters:
            continue
        shape, dtype = tuple(header.dims), TensorProto.DataType.Name(header.data_type).lower()
        check_elements(file.path, name, shape)
        if header.data_type in FLOATS:
            entries[name] = Entry(shape, dtype, lambda span=span: _values(file, data, span))
        elif name in scales:
            entries[name] = Entry(
                shape, dtype, lambda name=name: _dequantised(file, data, headers, name, *scales[name])
            )
        else:
            left_out[name] = f"{dtype}: no weights"
    if not entries:
        raise Unsupported(
            f"{file.path}: this ONNX graph holds no float initialisers; expected a network's weights"
        )
    return entries, left_out


def _contents(file: SafeFile, data: mmap.mmap) -> tuple[list[Span], list[Span]]:
    """Where the initialisers and the nodes of the graph lie."""
    found = {INITIALIZER: [], NODE: []}
    for number, span in _fields(data, (0, len(data))):
        if number == GRAPH:
            for inner, where in _fields(data, span):
                if inner in found:
                    found[inner].append(where)
                    if len(found[inner]) > LIMITS.tensors:
                        raise UserError(f"{file.path}: more than {LIMITS.tensors:,} nodes or initialisers")
    return found[INITIALIZER], found[NODE]


def _fields(data: mmap.mmap, span: Span) -> Iterator[tuple[int, Span]]:
    """Numbers and places of a message's fields that have a length; the others are passed over."""
    at, end = span
    while at < end:
        key, at = _varint(data, at, end)
        kind = key & 7
        if kind == 2:
            length, at = _varint(data, at, end)
            if at + length > end:
                raise ValueError(f"field {key >> 3} of {length:,} bytes ends after the file; it is truncated")
            yield key >> 3, (at, at + length)
            at += length
        elif kind == 0:
            _, at = _varint(data, at, end)
        elif kind in (1, 5):
            at += 8 if kind == 1 else 4
        else:
            raise ValueError(f"wire type {kind} at byte {at:,} is none of protobuf's")


def _varint(data: mmap.mmap, at: int, end: int) -> tuple[int, int]:
    value = shift = 0
    while at < end and shift < 64:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise ValueError(f"no number at byte {at:,}; it is truncated or no ONNX file")


def _header(data: mmap.mmap, span: Span) -> TensorProto:
    """An initialiser without its values, which may be huge."""
    header = bytearray()
    at, end = span
    while at < end:
        start = at
        key, at = _varint(data, at, end)
        if key & 7 == 2:
            length, at = _varint(data, at, end)
            at += length
            if at > end:
                raise ValueError("an initialiser is truncated")
            if length > LIMITS.header_bytes // 1024:
                continue
        elif key & 7 == 0:
            _, at = _varint(data, at, end)
        else:
            at += 8 if key & 7 == 1 else 4
        if key >> 3 != RAW:
            header += data[start:at]
    return TensorProto.FromString(bytes(header))


def _scales(data: mmap.mmap, nodes: list[Span], headers: dict) -> dict[str, tuple]:
    """The scale and zero point of each quantised initialiser, and their axis."""
    scales = {}
    for start, end in nodes:
        if end - start > LIMITS.header_bytes:
            raise ValueError(f"a node of {end - start:,} bytes is over the limit of {LIMITS.header_bytes:,}")
        if end - start > 64 * 1024:
            continue
        node = onnx.NodeProto.FromString(data[start:end])
        if node.op_type not in DEQUANTISERS:
            continue
        weights, scale, zero = (
            node.input[place] if place < len(node.input) else "" for place in DEQUANTISERS[node.op_type]
        )
        if weights in headers and scale in headers and headers[weights][0].data_type in QUANTISED:
            scales[weights] = (scale, zero if zero in headers else "")
    return scales


def _dequantised(
    file: SafeFile, data: mmap.mmap, headers: dict, name: str, scale: str, zero: str
) -> np.ndarray:
    """(q − zero point) · scale; a scale per channel goes along the axis of its length, the first by choice."""
    values = _values(file, data, headers[name][1]).astype(np.float32)
    steps = np.asarray(_values(file, data, headers[scale][1]), np.float32).reshape(-1)
    offset = (
        np.asarray(_values(file, data, headers[zero][1]), np.float32).reshape(-1) if zero else np.zeros(1)
    )
    if steps.size == 1:
        return (values - offset[0]) * steps[0]
    axis = next((axis for axis, length in enumerate(values.shape) if length == steps.size), None)
    if axis is None:
        raise ValueError(f"its scale has {steps.size} values, which no axis of {values.shape} has")
    along = [-1 if place == axis else 1 for place in range(values.ndim)]
    return (values - (offset if offset.size == 1 else offset.reshape(along))) * steps.reshape(along)


def _values(file: SafeFile, data: mmap.mmap, span: Span) -> np.ndarray:
    tensor = TensorProto.FromString(data[slice(*span)])
    if tensor.data_location == TensorProto.EXTERNAL:
        return _external(file, tensor)
    return numpy_helper.to_array(tensor)


def _external(file: SafeFile, tensor: TensorProto) -> np.ndarray:
    """Values in another file of the same folder."""
    where = {item.key: item.value for item in tensor.external_data}
    name = where.get("location", "")
    if Path(name).name != name or not name:
        raise ValueError(f"its data lies at {name!r}, outside of the file's folder")
    part = safe_file(file.path.parent / name)
    dtype = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type)
    offset, count = int(where.get("offset", 0)), int(np.prod(tensor.dims, dtype=np.int64))
    if offset < 0 or offset + count * dtype.itemsize > part.size:
        raise ValueError(f"its data ends after the end of {name}")
    return np.fromfile(part.real, dtype, count, offset=offset).reshape(tuple(tensor.dims))
