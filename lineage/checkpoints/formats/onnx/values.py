"""The numbers of an ONNX tensor: its own bytes, or those of another file of its folder."""

import math
from pathlib import Path

import ml_dtypes
import numpy as np

from lineage.checkpoints.files import SafeFile, safe_file
from lineage.checkpoints.formats.onnx.graph import Tensor

DTYPES = {
    **dict(enumerate((np.float32, np.uint8, np.int8, np.uint16, np.int16, np.int32, np.int64), start=1)),
    9: np.bool_,
    10: np.float16,
    11: np.float64,
    12: np.uint32,
    13: np.uint64,
    16: ml_dtypes.bfloat16,
    17: ml_dtypes.float8_e4m3fn,
    18: ml_dtypes.float8_e4m3fnuz,
    19: ml_dtypes.float8_e5m2,
    20: ml_dtypes.float8_e5m2fnuz,
}
"""Types by TensorProto.DataType."""
OTHERS = {8: "string", 14: "complex64", 15: "complex128", 21: "uint4", 22: "int4", 23: "float4"}
PACKED = {21: (ml_dtypes.uint4, np.uint8), 22: (ml_dtypes.int4, np.int8)}
"""Two numbers a byte, the lower half first."""


def dtype_name(tensor: Tensor) -> str:
    """What NumPy calls a tensor's type."""
    if tensor.data_type in DTYPES:
        return np.dtype(DTYPES[tensor.data_type]).name
    return OTHERS.get(tensor.data_type, f"type {tensor.data_type}")


def values_of(file: SafeFile, tensor: Tensor) -> np.ndarray:
    """A tensor's numbers.

    Raises:
        ValueError: if the file does not hold as many as its shape says, or they lie outside of its folder.
    """
    shape, count = tuple(tensor.dims), math.prod(tensor.dims)
    size = -(-count // 2) if tensor.data_type in PACKED else count * _item_size(tensor)
    if tensor.is_external:
        data = _external(file, tensor, size)
    elif tensor.raw is not None:
        if len(tensor.raw) != size:
            raise ValueError(f"its shape {shape} takes {size:,} bytes, but {len(tensor.raw):,} are stored")
        data = np.frombuffer(tensor.raw.data, np.uint8, size, tensor.raw.start)
    else:
        return _typed(tensor, shape)
    if tensor.data_type in PACKED:
        kind, wide = PACKED[tensor.data_type]
        halves = np.stack([data & 15, data >> 4], axis=1).reshape(-1)[:count]
        return halves.astype(np.uint8).view(kind).astype(wide).reshape(shape)
    return np.array(data, subok=False).view(DTYPES[tensor.data_type]).reshape(shape)


def _item_size(tensor: Tensor) -> int:
    if tensor.data_type not in DTYPES:
        raise ValueError(f"its type is {dtype_name(tensor)}")
    return np.dtype(DTYPES[tensor.data_type]).itemsize


def _typed(tensor: Tensor, shape: tuple[int, ...]) -> np.ndarray:
    """Values in a list of numbers rather than in bytes; ONNX' own library knows the lists of all types."""
    from google.protobuf.message import DecodeError
    from onnx import TensorProto, numpy_helper

    if math.prod(shape) > 4 * len(tensor.whole):
        raise ValueError(f"its shape {shape} is larger than what the file stores for it")
    try:
        return numpy_helper.to_array(TensorProto.FromString(tensor.whole.bytes()))
    except (DecodeError, TypeError) as error:
        raise ValueError(str(error)) from None


def _external(file: SafeFile, tensor: Tensor, size: int) -> np.ndarray:
    """Bytes in another file of the same folder."""
    name = tensor.external.get("location", "")
    if Path(name).name != name or not name:
        raise ValueError(f"its data lies at {name!r}, outside of the file's folder")
    part = safe_file(file.path.parent / name)
    offset = int(tensor.external.get("offset") or 0)
    if offset < 0 or offset + size > part.size:
        raise ValueError(f"its data ends after the end of {name}")
    return np.fromfile(part.real, np.uint8, size, offset=offset)
