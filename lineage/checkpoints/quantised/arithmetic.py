"""How stored integers become numbers again, for each way of storing them. No files, no names."""

import numpy as np

AWQ_ORDER = [0, 4, 1, 5, 2, 6, 3, 7]
"""Where each of eight neighbouring outputs lies in an integer of AWQ."""
BLOCK = 128
"""Rows and columns that share a scale in DeepSeek's 8-bit floats."""


def scaled(values: np.ndarray, scale: np.ndarray, zero: np.ndarray | None = None) -> np.ndarray:
    """(values − zero) · scale, as float32.

    A scale is one number, or has a length for each axis: 1, the axis' own, or the number of equal blocks along it
    (of 128 where those fit, as in DeepSeek's). With one axis it is for the rows.

    Raises:
        ValueError: for a scale that no axis has.
    """
    values = np.asarray(values).astype(np.float32)
    if zero is not None:
        values = values - _spread(np.asarray(zero, np.float32), values.shape)
    return values * _spread(np.asarray(scale, np.float32), values.shape)


def _spread(scale: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    if scale.size == 1:
        return scale.reshape(())
    if scale.ndim == 1 and shape and scale.size == shape[0]:
        return scale.reshape([-1] + [1] * (len(shape) - 1))
    if scale.ndim != len(shape):
        raise ValueError(f"its scale has {scale.size} values, expected 1 or {shape[0] if shape else 1}")
    for axis, (count, length) in enumerate(zip(scale.shape, shape, strict=True)):
        if count in (1, length):
            continue
        size = BLOCK if -(-length // BLOCK) == count else -(-length // max(count, 1))
        if -(-length // size) != count:
            raise ValueError(f"its scale has the shape {scale.shape}, which no blocks of {shape} have")
        scale = np.repeat(scale, size, axis=axis).take(range(length), axis=axis)
    return scale


def block_wise(codes: np.ndarray, values: np.ndarray, limits: np.ndarray, size: int) -> np.ndarray:
    """The values that codes stand for, times the limit of their block of so many numbers.

    Raises:
        ValueError: for a code without a value, or a block without a limit.
    """
    codes, values = np.asarray(codes).reshape(-1), np.asarray(values, np.float32).reshape(-1)
    limits = np.asarray(limits, np.float32).reshape(-1)
    if size < 1 or -(-codes.size // size) > limits.size or (codes.size and codes.max() >= values.size):
        raise ValueError("its blocks are not those of its scales")
    return values[codes] * np.repeat(limits, size)[: codes.size]


def packed_in_integers(values: np.ndarray, bits: int, axis: int = 1) -> np.ndarray:
    """The unsigned numbers of so many bits that lie in 32-bit integers, lowest bits first, along an axis."""
    shifts = np.arange(0, 32, bits, dtype=np.uint32)
    words = np.moveaxis(np.asarray(values).astype(np.int32).view(np.uint32), axis, -1)
    parts = (words[..., None] >> shifts) & np.uint32(2**bits - 1)
    return np.moveaxis(parts.reshape(*words.shape[:-1], -1), -1, axis)


def gptq(weights, zeros, scales, groups: np.ndarray, bits: int) -> np.ndarray:
    """GPTQ's weights, [inputs, outputs]: packed along the inputs; zero points are stored less one."""
    values = packed_in_integers(weights, bits, axis=0).astype(np.float32)
    offsets = packed_in_integers(zeros, bits).astype(np.float32) + 1
    return (values - offsets[groups]) * np.asarray(scales, np.float32)[groups]


def awq(weights, zeros, scales, groups: np.ndarray, bits: int) -> np.ndarray:
    """AWQ's weights, [inputs, outputs]: packed along the outputs, in an order of their own."""
    values, offsets = (
        packed_in_integers(part, bits).reshape(len(part), -1, 8)[:, :, AWQ_ORDER].reshape(len(part), -1)
        for part in (np.asarray(weights), np.asarray(zeros))
    )
    return (values.astype(np.float32) - offsets.astype(np.float32)[groups]) * np.asarray(scales, np.float32)[
        groups
    ]
