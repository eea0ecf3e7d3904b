"""Flax' msgpack: dictionaries of arrays. The file is walked; arrays stay where they are until they are read.

Sources: github.com/msgpack/msgpack, spec.md; flax/serialization.py.
"""

import math
import mmap
import struct
from collections.abc import Iterator

import ml_dtypes
import numpy as np

from lineage.checkpoints.checkpoint import Checkpoint, Entry, check_elements
from lineage.checkpoints.files import LIMITS, SafeFile
from lineage.checkpoints.several import checkpoints_of
from lineage.checkpoints.sniffing import Content
from lineage.checkpoints.trees import Leaf
from lineage.errors import UserError, one_line

ARRAY, SCALAR = 1, 3
"""Flax' own types of msgpack's extensions."""
CHUNKED = "__msgpack_chunked_array__"
NUMBERS = {0xCA: ">f", 0xCB: ">d", 0xCC: "B", 0xCD: ">H", 0xCE: ">I", 0xCF: ">Q"}
NUMBERS |= {0xD0: "b", 0xD1: ">h", 0xD2: ">i", 0xD3: ">q"}
CONSTANTS = {0xC0: None, 0xC2: False, 0xC3: True}
LENGTHS = {0xC4: "B", 0xC5: ">H", 0xC6: ">I", 0xD9: "B", 0xDA: ">H", 0xDB: ">I"}
LENGTHS |= {0xC7: "B", 0xC8: ">H", 0xC9: ">I", 0xDC: ">H", 0xDD: ">I", 0xDE: ">H", 0xDF: ">I"}
"""How the length of a value is written, of those whose first byte has none."""
DTYPES = ("float64", "float32", "float16", "bool", "int8", "int16", "int32", "int64")
DTYPES += ("uint8", "uint16", "uint32", "uint64", "complex64", "complex128")
OF_ML_DTYPES = ("bfloat16", "float8_e4m3fn", "float8_e5m2")
MOST = 1_500_000
"""Values of one file."""


class Stored(Leaf):
    """An array where it lies; of an array in chunks, all of them."""

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype, runs: list[tuple[int, int]]):
        self.shape, self.dtype, self.runs = shape, dtype, runs


def is_flax(content: Content) -> bool:
    """A dictionary whose first key is a text, and whose first value a dictionary, an array or a number."""
    head = content.head
    if len(head) < 8 or not (0x80 < head[0] <= 0x8F or head[0] in (0xDE, 0xDF)):
        return False
    walk = _Walk(head)
    try:
        count = walk.again(*walk.taken(1), 0x0F)
        key = walk.value(LIMITS.nesting)
        following = head[walk.at]
    except (ValueError, IndexError, UnicodeDecodeError):
        return False
    is_value = 0x80 <= following <= 0x9F or 0xC2 <= following <= 0xDF or following < 0x80
    return 0 < count <= LIMITS.tensors and isinstance(key, str) and key.isprintable() and is_value


def read_flax(file: SafeFile) -> list[Checkpoint]:
    """Every model of a file; each array is read on its own.

    Raises:
        UserError: for a broken or truncated file, or arrays that it does not hold.
        Unsupported: for a file without arrays.
    """
    with file.real.open("rb") as stream:
        data = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
    walk = _Walk(data)
    try:
        tree = walk.value()
        if walk.at != len(data):
            raise ValueError(f"{len(data) - walk.at:,} bytes after its end")
    except (ValueError, IndexError, struct.error, UnicodeDecodeError) as error:
        raise UserError(f"{file.path}: broken msgpack of Flax: {one_line(error)}") from None

    def entry_of(name: str, leaf: Stored) -> Entry:
        check_elements(file.path, name, leaf.shape)
        size, stored = (
            math.prod(leaf.shape) * leaf.dtype.itemsize,
            sum(end - start for start, end in leaf.runs),
        )
        if size != stored:
            raise UserError(
                f"{file.path}: array {name!r} of shape {leaf.shape} takes {size:,} bytes, but {stored:,} are stored"
            )
        return Entry(leaf.shape, leaf.dtype.name, lambda: _values(data, leaf))

    return checkpoints_of(file, "flax", tree, entry_of)


def _values(data: mmap.mmap, leaf: Stored) -> np.ndarray:
    whole = np.concatenate([np.frombuffer(data, np.uint8, end - start, start) for start, end in leaf.runs])
    return whole.view(leaf.dtype).reshape(leaf.shape)


class _Walk:
    """A cursor over msgpack."""

    def __init__(self, data: mmap.mmap | bytes):
        self.data, self.at, self.count = data, 0, 0

    def value(self, depth: int = 0) -> object:
        """The value at the cursor: bytes are passed over, arrays described."""
        self.count += 1
        if self.count > MOST or depth > LIMITS.nesting:
            raise ValueError(f"more than {MOST:,} values, or nested deeper than {LIMITS.nesting}")
        (code,) = self.taken(1)
        if code < 0x80 or code >= 0xE0:
            return code if code < 0x80 else code - 256
        if code <= 0x8F or code in (0xDE, 0xDF):
            return self.dictionary(self.again(code, 0x0F), depth)
        if code <= 0x9F or code in (0xDC, 0xDD):
            return [self.value(depth + 1) for _ in range(self.bounded(self.again(code, 0x0F)))]
        if code <= 0xBF or code in (0xD9, 0xDA, 0xDB):
            return self.taken(self.again(code, 0x1F)).decode("utf-8", "replace")
        if code in CONSTANTS:
            return CONSTANTS[code]
        if code in NUMBERS:
            return struct.unpack(NUMBERS[code], self.taken(struct.calcsize(NUMBERS[code])))[0]
        if code in (0xC4, 0xC5, 0xC6):
            self.skip(self.again(code, 0))
            return None
        if 0xD4 <= code <= 0xD8:
            return self.extension(1 << (code - 0xD4), depth)
        if code in (0xC7, 0xC8, 0xC9):
            return self.extension(self.again(code, 0), depth)
        raise ValueError(f"byte {code:#x} is none of msgpack's")

    def dictionary(self, count: int, depth: int) -> object:
        """A dictionary, or the array that one in chunks stands for; keys that are no texts are dropped."""
        found = {}
        for _ in range(self.bounded(count)):
            key, value = self.value(depth + 1), self.value(depth + 1)
            if isinstance(key, str):
                found[key] = value
        return _joined(found) if CHUNKED in found else found

    def extension(self, size: int, depth: int) -> object:
        """An array, or nothing of any other type."""
        (kind,) = self.taken(1)
        end = self.at + size
        if end > len(self.data):
            raise ValueError("a value ends after the file; it is truncated")
        if kind not in (ARRAY, SCALAR):
            self.at = end
            return None
        found = self.array(depth)
        if self.at != end:
            raise ValueError("an array has more in it than a shape, a type and numbers")
        return found

    def array(self, depth: int) -> Stored:
        """Shape, name of the type, numbers."""
        (code,) = self.taken(1)
        shape, name = (self.value(depth + 1), self.value(depth + 1)) if code == 0x93 else (None, None)
        if not isinstance(shape, list) or len(shape) > 64 or not all(_is_length(length) for length in shape):
            raise ValueError("an array without a shape")
        if name not in DTYPES + OF_ML_DTYPES:
            raise ValueError(f"an array of the type {str(name)[:40]!r}")
        (code,) = self.taken(1)
        if code not in LENGTHS and not 0xA0 <= code <= 0xBF:
            raise ValueError("an array without numbers")
        start = self.at + (struct.calcsize(LENGTHS[code]) if code in LENGTHS else 0)
        self.skip(self.again(code, 0x1F))
        dtype = np.dtype(getattr(ml_dtypes, name) if name in OF_ML_DTYPES else name)
        return Stored(tuple(shape), dtype, [(start, self.at)])

    def again(self, code: int, mask: int) -> int:
        """The length that belongs to a first byte: in it, or after it."""
        if code in LENGTHS:
            return struct.unpack(LENGTHS[code], self.taken(struct.calcsize(LENGTHS[code])))[0]
        return code & mask

    def bounded(self, count: int) -> int:
        """A number of values, each of which takes a byte."""
        if count > len(self.data) - self.at:
            raise ValueError(f"{count:,} values in fewer bytes; it is truncated")
        return count

    def taken(self, size: int) -> bytes:
        """So many bytes at the cursor, which are few."""
        if size > 65_536:
            raise ValueError(f"a text of {size:,} bytes")
        start = self.at
        self.skip(size)
        return self.data[start : self.at]

    def skip(self, size: int) -> None:
        """Passes over bytes."""
        if self.at + size > len(self.data):
            raise ValueError("a value ends after the file; it is truncated")
        self.at += size


def _joined(found: dict) -> Stored:
    """An array whose numbers lie in several, in order."""
    shape, chunks = ([part for _, part in _numbered(found.get(name))] for name in ("shape", "chunks"))
    if (
        not chunks
        or not all(isinstance(chunk, Stored) for chunk in chunks)
        or not all(map(_is_length, shape))
    ):
        raise ValueError("an array in chunks without a shape or chunks")
    return Stored(tuple(shape), chunks[0].dtype, [run for chunk in chunks for run in chunk.runs])


def _numbered(parts: object) -> Iterator[tuple[int, object]]:
    items = parts.items() if isinstance(parts, dict) else ()
    yield from sorted(((int(key), part) for key, part in items if key.isdecimal()), key=lambda item: item[0])


def _is_length(length: object) -> bool:
    return isinstance(length, int) and not isinstance(length, bool) and 0 <= length < 2**40
