"""safetensors: one file, or shards with an index. int8 tensors come with their scale, `<name>_scale`."""

import json
from pathlib import Path

import ml_dtypes  # noqa: F401  # teaches NumPy the name bfloat16
import numpy as np
from safetensors import SafetensorError, safe_open

from lineage.checkpoints.checkpoint import Checkpoint, Entry
from lineage.checkpoints.files import LIMITS, SafeFile, Unsupported, head_of_file, safe_file
from lineage.errors import UserError, one_line

FLOATS = {"F64", "F32", "F16", "BF16"}
INTEGERS = {"I8", "U8", "I16", "U16", "I32", "U32", "I64", "U64", "BOOL"}
SCALE = "_scale"


def read_safetensors(file: SafeFile) -> Checkpoint:
    """The tensors of one file, mapped.

    Raises:
        UserError: if the header is truncated, oversized or contradicts the file.
        Unsupported: for 8-bit floats and the like.
    """
    return Checkpoint(file.path.name, "safetensors", [file], *_entries(file))


def read_index(file: SafeFile) -> Checkpoint:
    """The tensors of all shards that an index names, which lie in its folder.

    Raises:
        UserError: if the index is no index, or a shard is missing, broken or elsewhere.
    """
    if file.size > LIMITS.header_bytes:
        raise UserError(
            f"{file.path}: an index of {file.size:,} bytes is over the limit of {LIMITS.header_bytes:,}"
        )
    try:
        index = json.loads(file.real.read_bytes())
    except (ValueError, RecursionError) as error:
        raise UserError(f"{file.path}: expected JSON: {one_line(error)}") from None
    shard_of = index.get("weight_map") if isinstance(index, dict) else None
    if not isinstance(shard_of, dict) or not all(isinstance(name, str) for name in shard_of.values()):
        raise Unsupported(f"{file.path}: JSON without the weight_map of a safetensors index")
    files, found, left_out = [file], {}, {}
    for shard in dict.fromkeys(shard_of.values()):
        if Path(shard).name != shard:
            raise UserError(
                f"{file.path}: shard {shard!r} lies outside of the index's folder; expected a bare name"
            )
        part = safe_file(file.path.parent / shard)
        files.append(part)
        entries, omitted = _entries(part)
        found |= entries
        left_out |= omitted
    if missing := [name for name in shard_of if name not in found and name not in left_out]:
        raise UserError(f"{file.path}: tensor {missing[0]!r} is in no shard; fetch the shards again")
    return Checkpoint(
        file.path.name, "safetensors", files, {n: found[n] for n in shard_of if n in found}, left_out
    )


def _entries(file: SafeFile) -> tuple[dict[str, Entry], dict[str, str]]:
    announced = int.from_bytes(head_of_file(file, 8), "little")
    if announced > min(LIMITS.header_bytes, file.size - 8):
        raise UserError(
            f"{file.path}: its header says {announced:,} bytes, but the file has {file.size:,} "
            f"and the limit is {LIMITS.header_bytes:,}; it is truncated or no safetensors file"
        )
    try:
        opened = safe_open(file.real, framework="numpy")
    except (SafetensorError, OSError) as error:
        raise UserError(f"{file.path}: broken safetensors file: {one_line(error)}") from None
    entries, left_out = {}, {}
    names = list(opened.offset_keys())
    known = set(names)
    for name in names:
        part = opened.get_slice(name)
        dtype, shape = part.get_dtype(), tuple(part.get_shape())
        if dtype in FLOATS:
            if not (name.endswith(SCALE) and name.removesuffix(SCALE) in known):
                entries[name] = Entry(shape, dtype, lambda name=name: opened.get_tensor(name))
        elif dtype == "I8" and f"{name}{SCALE}" in known:
            entries[name] = Entry(shape, dtype, lambda name=name: _dequantised(opened, name))
        elif dtype in INTEGERS:
            left_out[name] = f"{dtype}: no weights"
        else:
            left_out[name] = f"{dtype}: unsupported"
    if left_out and not entries:
        kinds = sorted({reason.split(":")[0] for reason in left_out.values()})
        raise Unsupported(
            f"{file.path}: holds {', '.join(kinds)} only; expected floats, or int8 with {SCALE} tensors"
        )
    return entries, left_out


def _dequantised(opened, name: str) -> np.ndarray:
    """int8 values times their scale: a number, or one per row."""
    values = opened.get_tensor(name).astype(np.float32)
    scale = np.asarray(opened.get_tensor(f"{name}{SCALE}"), np.float32)
    if scale.size not in (1, len(values) if values.ndim else 1):
        raise ValueError(f"its scale has {scale.size} values, expected 1 or {len(values)}")
    return values * scale.reshape([-1] + [1] * (values.ndim - 1))
