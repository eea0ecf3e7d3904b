"""Floating point numbers of 4 bits in blocks that share a scale.

Sources: OCP Microscaling Formats 1.0 (MXFP4, as in gpt-oss: `_blocks` and `_scales`); NVFP4, as compressed-tensors
and ModelOpt store it: `weight_packed` or `weight`, `weight_scale`, `weight_global_scale` or `weight_scale_2`.
"""

from collections.abc import Mapping

import numpy as np

from lineage.checkpoints.checkpoint import Entry

VALUES = np.float32([0, 0.5, 1, 1.5, 2, 3, 4, 6, 0, -0.5, -1, -1.5, -2, -3, -4, -6])
"""What the sixteen codes mean."""
BIAS = 127
"""Of the powers of two that scales of 8 bits mean."""
BLOCK = 16
"""Numbers that share a scale in NVFP4; in MXFP4 a row of `_blocks` is a block of 32."""


def unpacked(codes: np.ndarray) -> np.ndarray:
    """The numbers of bytes along the last axis, the lower half first."""
    codes = np.asarray(codes, np.uint8)
    halves = np.stack([codes & 15, codes >> 4], axis=-1)
    return VALUES[halves].reshape(*codes.shape[:-1], 2 * codes.shape[-1])


def mxfp4(name: str, entry: Entry, raw: Mapping[str, Entry]):
    """`X_blocks` [..., blocks, bytes] with `X_scales` [..., blocks] is X [..., blocks · 2 · bytes]."""
    whole = name.removesuffix("_blocks")
    scales = raw.get(f"{whole}_scales")
    if whole == name or entry.dtype != "uint8" or scales is None or scales.shape != entry.shape[:-1]:
        return None
    if len(entry.shape) < 2 or scales.dtype not in ("uint8", "float8_e8m0fnu"):
        return None
    shape = (*entry.shape[:-2], entry.shape[-2] * entry.shape[-1] * 2)

    def load() -> np.ndarray:
        powers = np.asarray(scales.load()).view(np.uint8).astype(np.int32) - BIAS
        return np.ldexp(unpacked(entry.load()), powers[..., None]).reshape(shape)

    return whole, Entry(shape, "mxfp4", load), f"{whole}_scales"


def nvfp4(name: str, entry: Entry, raw: Mapping[str, Entry]):
    """Bytes [rows, columns / 2] with a scale of 8 bits for every 16 columns, and one for all."""
    whole = name.removesuffix("_packed")
    local = raw.get(f"{whole}_scale")
    divides, multiplies = f"{whole}_global_scale", f"{whole}_scale_2"
    if entry.dtype != "uint8" or len(entry.shape) != 2 or local is None or local.dtype != "float8_e4m3fn":
        return None
    shape = (entry.shape[0], 2 * entry.shape[1])
    if (
        local.shape != (shape[0], shape[1] // BLOCK)
        or shape[1] % BLOCK
        or not {divides, multiplies} & raw.keys()
    ):
        return None

    def load() -> np.ndarray:
        if divides in raw:
            common = 1 / np.asarray(raw[divides].load(), np.float32).reshape(())
        else:
            common = np.asarray(raw[multiplies].load(), np.float32).reshape(())
        return unpacked(entry.load()) * np.repeat(
            np.asarray(local.load(), np.float32) * common, BLOCK, axis=1
        )

    return whole, Entry(shape, "nvfp4", load), f"{whole}_scale", divides, multiplies
