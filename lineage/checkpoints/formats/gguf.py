"""GGUF, of llama.cpp and others. Its header is walked here; the numbers of quantised types are gguf's business.

Source: github.com/ggml-org/ggml, docs/gguf.md.
"""

import math
import mmap
import struct

import ml_dtypes
import numpy as np

from lineage.checkpoints.checkpoint import Checkpoint, Entry, LeftOut, check_elements
from lineage.checkpoints.files import LIMITS, MIB, SafeFile, Unsupported
from lineage.errors import UserError, one_line

MAGIC = b"GGUF"
SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
"""Bytes of a value of each type of metadata; strings are 8, lists 9."""
STRING, LIST, UINT32 = 8, 9, 4
PLAIN = {0: np.float32, 1: np.float16, 28: np.float64, 30: ml_dtypes.bfloat16}
INTEGERS = {24: np.int8, 25: np.int16, 26: np.int32, 27: np.int64}
MOST = 1_000_000
"""Strings in the metadata: a vocabulary has some hundred thousand."""
ALIGNMENT = "general.alignment"


class _Header:
    """A cursor over the mapped file. Big-endian files say so by their version."""

    def __init__(self, data: mmap.mmap):
        self.data, self.at, self.order, self.strings = data, 4, "<", 0
        self.version = self.number("I")
        if self.version & 0xFFFF == 0:
            self.order, self.at = ">", 4
            self.version = self.number("I")

    def number(self, kind: str) -> int:
        size = struct.calcsize(kind)
        if self.at + size > len(self.data):
            raise ValueError("its header ends after the file; it is truncated")
        (value,) = struct.unpack_from(self.order + kind, self.data, self.at)
        self.at += size
        return value

    def skip(self, size: int) -> None:
        if self.at + size > len(self.data):
            raise ValueError("its header ends after the file; it is truncated")
        self.at += size

    def string(self) -> str:
        self.strings += 1
        if self.strings > MOST:
            raise ValueError(f"more than {MOST:,} strings")
        start = self.at + 8
        self.skip(self.number("Q"))
        if self.at - start > MIB:
            return ""
        return self.data[start : self.at].decode("utf-8", "replace")

    def value(self, kind: int, depth: int = 0) -> int | None:
        """Passes over a value of the metadata; a 32-bit number is given."""
        if kind == UINT32:
            return self.number("I")
        if kind in SIZES:
            self.skip(SIZES[kind])
        elif kind == STRING:
            self.string()
        elif kind == LIST and depth < 4:
            inner, count = self.number("I"), self.number("Q")
            if inner in SIZES:
                self.skip(SIZES[inner] * count)
            else:
                for _ in range(count):
                    self.value(inner, depth + 1)
        else:
            raise ValueError(f"metadata of the type {kind}, which is none of GGUF's")
        return None


def read_gguf(file: SafeFile) -> list[Checkpoint]:
    """The tensors of a file, as [rows, columns]; quantised ones are dequantised one at a time.

    Raises:
        UserError: for a broken or truncated file, or tensors that it does not hold.
        Unsupported: for a version other than 2 and 3.
    """
    try:
        with file.real.open("rb") as stream:
            data = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        header = _Header(data)
        if header.version not in (2, 3):
            raise Unsupported(f"{file.path}: GGUF of version {header.version}; expected 2 or 3")
        tensors, start = _tensors(header)
        entries, left_out = _entries(file, header, tensors, start)
    except (ValueError, OverflowError, MemoryError, RecursionError) as error:
        raise UserError(f"{file.path}: broken GGUF file: {one_line(error)}") from None
    return [Checkpoint(file.path.name, "gguf", [file], entries, left_out)]


def _tensors(header: _Header) -> tuple[list[tuple[str, tuple[int, ...], int, int]], int]:
    """Name, shape, type and offset of each tensor; and where their bytes begin."""
    count, pairs, alignment = header.number("Q"), header.number("Q"), 32
    if count > LIMITS.tensors:
        raise ValueError(f"{count:,} tensors are over the limit of {LIMITS.tensors:,}")
    for _ in range(pairs):
        key = header.string()
        value = header.value(header.number("I"))
        if key == ALIGNMENT and value:
            alignment = value
    found = []
    for _ in range(count):
        name, axes = header.string(), header.number("I")
        if axes > 8:
            raise ValueError(f"tensor {name!r} has {axes:,} axes")
        shape = tuple(header.number("Q") for _ in range(axes))[::-1]
        found.append((name, shape, header.number("I"), header.number("Q")))
    return found, -(-header.at // alignment) * alignment


def _entries(file: SafeFile, header: _Header, tensors: list, start: int):
    entries, left_out = {}, {}
    for name, shape, kind, offset in tensors:
        check_elements(file.path, name, shape)
        found = _type_of(kind)
        if found is None:
            reason = f"type {kind}: quantised weights of a type that is not known"
            left_out[name] = LeftOut(reason, shape, math.prod(shape))
            continue
        called, block, size = found
        if shape and shape[-1] % block:
            raise ValueError(f"tensor {name!r} of shape {shape}: rows are not whole blocks of {block}")
        taken = math.prod(shape) // block * size
        if start + offset + taken > file.size:
            raise ValueError(f"tensor {name!r} of shape {shape} ends after the file; it is truncated")
        if kind in INTEGERS:
            left_out[name] = LeftOut.of("no weights", shape, called)
            continue
        span = slice(start + offset, start + offset + taken)
        entries[name] = Entry(
            shape, called, lambda shape=shape, kind=kind, span=span: _values(header, shape, kind, span)
        )
    return entries, left_out


def _type_of(kind: int) -> tuple[str, int, int] | None:
    """A type's name, and how many numbers a block of how many bytes has; None if nobody here can read it."""
    if kind in PLAIN or kind in INTEGERS:
        dtype = np.dtype({**PLAIN, **INTEGERS}[kind])
        return dtype.name, 1, dtype.itemsize
    from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType

    try:
        quantised = GGMLQuantizationType(kind)
    except ValueError:
        return None
    return quantised.name, *GGML_QUANT_SIZES[quantised]


def _values(header: _Header, shape: tuple[int, ...], kind: int, span: slice) -> np.ndarray:
    data = np.frombuffer(header.data, np.uint8, span.stop - span.start, span.start)
    if kind in PLAIN:
        values = np.array(data, subok=False).view(PLAIN[kind]).reshape(shape)
        return values.byteswap() if header.order == ">" else values
    if header.order == ">":
        raise ValueError("quantised values in big endian are not read")
    from gguf.constants import GGMLQuantizationType
    from gguf.quants import dequantize

    try:
        rows = data.reshape(-1, data.size) if len(shape) < 2 else data.reshape(math.prod(shape[:-1]), -1)
        return dequantize(rows, GGMLQuantizationType(kind)).reshape(shape)
    except NotImplementedError as error:
        raise ValueError(str(error)) from None
