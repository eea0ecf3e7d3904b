"""Tables of sorted keys and values, as LevelDB writes them and TensorFlow the index of a checkpoint.

Source: github.com/google/leveldb, doc/table_format.md.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

MAGIC = struct.pack("<Q", 0xDB4775248B80FB57)
FOOTER, TRAILER = 48, 5
"""Bytes at the end of a table, and after each block: how it is packed, and a checksum."""
MOST = 250_000
"""Keys of one table."""


@dataclass(frozen=True)
class _Handle:
    """Where a block lies."""

    offset: int
    size: int


def items_of(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The keys and values of a table, in its order.

    Raises:
        ValueError: for a table that is broken, truncated, packed, or larger than it may be.
    """
    if len(data) < FOOTER or not data.endswith(MAGIC):
        raise ValueError("no end of a table; it is truncated")
    _, at = _handle(data, len(data) - FOOTER)
    index, _ = _handle(data, at)
    count = 0
    for _, place in _entries(data, index):
        block, _ = _handle(place, 0)
        for key, value in _entries(data, block):
            count += 1
            if count > MOST:
                raise ValueError(f"more than {MOST:,} keys")
            yield key, value


def _entries(data: bytes, block: _Handle) -> Iterator[tuple[bytes, bytes]]:
    """The items of a block: a key says how much of the one before it begins with."""
    end = block.offset + block.size
    if end + TRAILER > len(data) or block.size < 4:
        raise ValueError("a block ends after the table; it is truncated")
    if data[end] != 0:
        raise ValueError("a packed block; expected the plain ones of TensorFlow")
    (restarts,) = struct.unpack_from("<I", data, end - 4)
    at, end = block.offset, end - 4 - 4 * restarts
    key = b""
    while at < end:
        shared, at = _number(data, at)
        fresh, at = _number(data, at)
        length, at = _number(data, at)
        if shared > len(key) or at + fresh + length > end or shared + fresh > 65_536:
            raise ValueError("a key or value ends after its block; it is broken")
        key = key[:shared] + data[at : at + fresh]
        at += fresh
        yield key, data[at : at + length]
        at += length


def _handle(data: bytes, at: int) -> tuple[_Handle, int]:
    offset, at = _number(data, at)
    size, at = _number(data, at)
    return _Handle(offset, size), at


def _number(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data) and shift < 64:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise ValueError("a number without an end; it is truncated")
