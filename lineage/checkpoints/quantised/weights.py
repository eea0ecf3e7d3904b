"""Quantised weights times their own scales, told by the names and shapes of what stands beside them.

Sources: bitsandbytes/functional.py (`dequantize_blockwise`) and transformers (`SCB`); AutoGPTQ's `qlinear_cuda`;
AutoAWQ's `packing_utils`; compressed-tensors (`pack_quantized`); DeepSeek-V3 (`weight_scale_inv`).
"""

import json
from collections.abc import Mapping

import numpy as np

from lineage.checkpoints.checkpoint import Entry, LeftOut
from lineage.checkpoints.quantised.arithmetic import awq, block_wise, gptq, packed_in_integers, scaled
from lineage.checkpoints.quantised.fp4 import mxfp4, nvfp4

FLOATS = {"float64", "float32", "float16", "bfloat16"}
SCALES = ("{name}_scale", "{name}_scale_inv", "{module}scale_weight", "{name}.scale")
"""What the scale of a tensor is called; `module` is its name without the last part, with a dot."""
ZEROS = ("{name}_zero_point", "{module}zero_point", "{name}.zero_point")
SMALL_INTEGERS = {"int4", "uint4", "int8", "uint8", "int16", "uint16"}
"""Matrices of places, as of relative positions, have larger ones; masks of attention have a first axis of 1."""
STATE = ".quant_state.bitsandbytes__"

Raw = Mapping[str, Entry]
"""All tensors of a model, whatever their type."""


def weights_of(raw: Raw) -> tuple[dict[str, Entry], dict[str, LeftOut]]:
    """The tensors of real numbers, quantised ones among them; and what is left out, with the reason.

    Their order is that of the file. Scales and zero points count as parts of the weights that they belong to.
    """
    found: dict[str, tuple[str, Entry]] = {}
    used: set[str] = set()
    for name, entry in raw.items():
        for rule in (_bitsandbytes_8, _bitsandbytes_4, _in_groups, _packed, mxfp4, nvfp4, _scaled):
            if result := rule(name, entry, raw):
                called, dequantised, *parts = result
                found[name] = called, dequantised
                used |= {part for part in parts if part in raw}
                break
    entries, left_out = {}, {}
    for name, entry in raw.items():
        if name in found:
            called, dequantised = found[name]
            entries[called] = dequantised
        elif name in used:
            continue
        elif entry.dtype in FLOATS or entry.dtype.startswith("float8"):
            entries[name] = entry
        else:
            left_out[name] = left_out_of(name, entry.shape, entry.dtype)
    return entries, left_out


def left_out_of(name: str, shape: tuple[int, ...], dtype: str) -> LeftOut:
    """A tensor of no real numbers; it may be weights all the same, for its name or as a matrix of small integers."""
    is_called = ("weight" in name or "kernel" in name) and len(shape) >= 2 and dtype != "bool"
    is_small = dtype in SMALL_INTEGERS and shape[:1] != (1,) and sum(length > 1 for length in shape) >= 2
    is_complex = dtype.lower().startswith("c") and len(shape) >= 2
    reason = "quantised weights, without a scale that is known" if is_called or is_small else "no weights"
    reason = "complex numbers, which are not read" if is_complex else reason
    return LeftOut.of(reason, shape, dtype)


def _module(name: str) -> str:
    return name[: name.rfind(".") + 1]


def _bitsandbytes_8(name: str, entry: Entry, raw: Raw):
    scale = next((key for key in (f"{_module(name)}SCB", f"{name}.SCB") if key in raw), None)
    if entry.dtype != "int8" or scale is None or len(entry.shape) != 2:
        return None
    if raw[scale].shape != entry.shape[:1]:
        return None

    def load():
        return scaled(entry.load(), np.asarray(raw[scale].load(), np.float32)[:, None] / 127)

    return name, Entry(entry.shape, "int8", load), scale, f"{_module(name)}weight_format"


def _bitsandbytes_4(name: str, entry: Entry, raw: Raw):
    state = next((key for kind in ("nf4", "fp4") if (key := f"{name}{STATE}{kind}") in raw), None)
    if entry.dtype != "uint8" or state is None or len(raw[state].shape) != 1 or raw[state].shape[0] > 4096:
        return None
    parts = [f"{name}.{part}" for part in ("absmax", "quant_map", "nested_absmax", "nested_quant_map")]
    try:
        said = json.loads(bytes(np.asarray(raw[state].load(), np.uint8)))
        shape = tuple(int(length) for length in said["shape"])
        size = int(said["blocksize"])
        nested = int(said["nested_blocksize"]), float(said["nested_offset"]) if parts[2] in raw else 0.0
    except KeyError:
        nested = 0, 0.0
    except (ValueError, TypeError, RecursionError):
        return None
    if not all(part in raw for part in parts[:2]) or size < 1 or min(shape, default=0) < 0:
        return None
    if int(np.prod(shape, dtype=object)) > 2 * int(np.prod(entry.shape, dtype=object)):
        return None

    def load():
        limits = np.asarray(raw[parts[0]].load())
        if parts[2] in raw:
            limits = block_wise(limits, raw[parts[3]].load(), raw[parts[2]].load(), nested[0]) + nested[1]
        codes = np.asarray(entry.load(), np.uint8).reshape(-1)
        codes = np.stack([codes >> 4, codes & 15], axis=1).reshape(-1)[: int(np.prod(shape))]
        return block_wise(codes, raw[parts[1]].load(), limits, size).reshape(shape)

    return name, Entry(shape, state.rpartition("__")[2], load), state, *parts


def _in_groups(name: str, entry: Entry, raw: Raw):
    """GPTQ, whose inputs lie packed, or AWQ, whose outputs do; both as [inputs, outputs]."""
    if not name.endswith("qweight") or entry.dtype != "int32" or len(entry.shape) != 2:
        return None
    module = _module(name)
    zeros, scales, order = (raw.get(f"{module}{part}") for part in ("qzeros", "scales", "g_idx"))
    if zeros is None or scales is None or len(zeros.shape) != 2 or len(scales.shape) != 2:
        return None
    groups, outputs = scales.shape
    if not groups or zeros.shape[0] != groups or not zeros.shape[1] or outputs % zeros.shape[1]:
        return None
    pack = outputs // zeros.shape[1]
    if pack not in (4, 8, 16):
        return None
    parts = [f"{module}{part}" for part in ("qzeros", "scales", "g_idx")]
    if entry.shape[1] == outputs:
        inputs, kind = entry.shape[0] * pack, gptq
        if order is not None and order.shape != (inputs,):
            return None
    elif entry.shape[1] * 8 == outputs and pack == 8:
        inputs, kind = entry.shape[0], awq
    else:
        return None
    if inputs % groups:
        return None

    def load():
        belongs = np.arange(inputs) // (inputs // groups) if order is None else np.asarray(order.load())
        if belongs.size and not 0 <= belongs.min() <= belongs.max() < groups:
            raise ValueError("its groups are not those of its scales")
        return kind(entry.load(), zeros.load(), scales.load(), belongs, 32 // pack).T

    return f"{module}weight", Entry((outputs, inputs), f"int{32 // pack}", load), *parts


def _packed(name: str, entry: Entry, raw: Raw):
    """compressed-tensors: 4 or 8 bits in int32 along the rows."""
    whole = name.removesuffix("_packed")
    parts = [f"{whole}_scale", f"{whole}_shape", f"{whole}_zero_point", f"{whole}_g_idx"]
    if whole == name or entry.dtype != "int32" or len(entry.shape) != 2 or not set(parts[:2]) <= set(raw):
        return None
    if parts[2] in raw or raw[parts[1]].shape != (2,) or raw[parts[1]].dtype != "int64":
        return None
    rows, columns = (int(length) for length in np.asarray(raw[parts[1]].load()))
    bits = next((bits for bits in (4, 8) if -(-columns * bits // 32) == entry.shape[1]), None)
    if bits is None or rows != entry.shape[0] or columns < 1:
        return None

    def load():
        values = packed_in_integers(entry.load(), bits)[:, :columns].astype(np.float32) - 2 ** (bits - 1)
        return scaled(values, np.asarray(raw[parts[0]].load(), np.float32))

    return whole, Entry((rows, columns), f"int{bits}", load), *parts


def _scaled(name: str, entry: Entry, raw: Raw):
    """int8 or 8-bit floats, times a scale: one number, one for each row, column or block; less a zero point."""
    if entry.dtype not in ("int8", "uint8") and not entry.dtype.startswith("float8"):
        return None
    scale, zero = (_named(patterns, name, raw) for patterns in (SCALES, ZEROS))
    if scale is None or raw[scale].dtype not in FLOATS or scale == name:
        return None

    def load():
        offset = None if zero is None else np.asarray(raw[zero].load(), np.float32)
        return scaled(entry.load(), np.asarray(raw[scale].load(), np.float32), offset)

    return name, Entry(entry.shape, entry.dtype, load), scale, zero or ""


def _named(patterns: tuple[str, ...], name: str, raw: Raw) -> str | None:
    tried = (pattern.format(name=name, module=_module(name)) for pattern in patterns)
    return next((key for key in tried if key in raw), None)
