"""safetensors: one file; shards are the index's."""

import json
import math

import ml_dtypes
import numpy as np
from safetensors import SafetensorError, safe_open

from lineage.checkpoints.checkpoint import Checkpoint, Entry, LeftOut, counters_in
from lineage.checkpoints.files import LIMITS, SafeFile, Unsupported, head_of_file, read_bytes
from lineage.checkpoints.quantised.weights import weights_of
from lineage.errors import UserError, one_line

DTYPES = {
    "F64": np.float64,
    "F32": np.float32,
    "F16": np.float16,
    "BF16": ml_dtypes.bfloat16,
    "BOOL": np.bool_,
    "I8": np.int8,
    "I16": np.int16,
    "I32": np.int32,
    "I64": np.int64,
    "U8": np.uint8,
    "U16": np.uint16,
    "U32": np.uint32,
    "U64": np.uint64,
    "F8_E4M3": ml_dtypes.float8_e4m3fn,
    "F8_E5M2": ml_dtypes.float8_e5m2,
    "F8_E4M3FNUZ": ml_dtypes.float8_e4m3fnuz,
    "F8_E5M2FNUZ": ml_dtypes.float8_e5m2fnuz,
    "F8_E8M0": ml_dtypes.float8_e8m0fnu,
}


def read_safetensors(file: SafeFile) -> list[Checkpoint]:
    """The tensors of one file, read one at a time.

    Raises:
        UserError: if the header is truncated, oversized or contradicts the file.
        Unsupported: for a file without real numbers.
    """
    raw = raw_tensors(file)
    return [Checkpoint(file.path.name, "safetensors", [file], *of_raw(file, raw), counters=counters_in(raw))]


def of_raw(file: SafeFile, raw: dict[str, Entry]) -> tuple[dict[str, Entry], dict[str, LeftOut]]:
    """The weights among tensors of all types, and what is left out; raises Unsupported if that is all of them."""
    entries, left_out = weights_of(raw)
    if left_out and not entries:
        kinds = sorted({found.reason.split(":")[0] for found in left_out.values()})
        raise Unsupported(
            f"{file.path}: holds {', '.join(kinds)} only; expected floats, or quantised weights with their scales"
        )
    return entries, left_out


def raw_tensors(file: SafeFile) -> dict[str, Entry]:
    """Every tensor of a file, whatever its type; raises as `read_safetensors`."""
    announced = int.from_bytes(head_of_file(file, 8), "little")
    if announced > min(LIMITS.header_bytes, file.size - 8):
        raise UserError(
            f"{file.path}: its header says {announced:,} bytes, but the file has {file.size:,} "
            f"and the limit is {LIMITS.header_bytes:,}; it is truncated or no safetensors file"
        )
    try:
        opened = safe_open(file.real, framework="numpy")
        names = list(opened.offset_keys())
        header = json.loads(head_of_file(file, 8 + announced)[8:])
        return {name: _entry(file, header[name], 8 + announced) for name in names}
    except (SafetensorError, OSError, ValueError, KeyError, RecursionError) as error:
        raise UserError(f"{file.path}: broken safetensors file: {one_line(error)}") from None


def _entry(file: SafeFile, said: dict, start: int) -> Entry:
    """A tensor where the header, which safetensors has checked, says that it lies."""
    shape, (begin, _) = tuple(said["shape"]), said["data_offsets"]
    dtype = np.dtype(DTYPES[said["dtype"]]) if said["dtype"] in DTYPES else None

    def load_rows(first: int, last: int) -> np.ndarray:
        row = math.prod(shape[1:]) * dtype.itemsize
        read = read_bytes(file, start + begin + first * row, (last - first) * row)
        return read.view(dtype).reshape(last - first, *shape[1:])

    def load() -> np.ndarray:
        if 0 in shape:
            return np.zeros(shape, dtype)
        return read_bytes(file, start + begin, math.prod(shape) * dtype.itemsize).view(dtype).reshape(shape)

    can_split = bool(shape) and 0 not in shape and dtype is not None
    return Entry(shape, dtype.name if dtype else said["dtype"], load, load_rows if can_split else None)
