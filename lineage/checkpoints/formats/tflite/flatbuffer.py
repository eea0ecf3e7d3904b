"""Tables of FlatBuffers in a mapped file, read without generated code; every offset is checked.

Source: flatbuffers.dev/internals.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

MOST = 1_000_000
"""Items of one vector of tables."""


@dataclass(frozen=True)
class Table:
    """A table: where it begins in the file."""

    data: object
    at: int

    def number(self, field: int, kind: str, default: int = 0) -> int:
        """A number of a field, of a kind that `struct` knows."""
        place = self._place(field)
        return default if place is None else _number(self.data, place, kind)

    def table(self, field: int) -> "Table | None":
        """The table that a field points to."""
        place = self._place(field)
        return None if place is None else Table(self.data, _followed(self.data, place))

    def tables(self, field: int) -> Iterator["Table"]:
        """The tables in a vector."""
        start, count = self.vector(field, 4)
        if count > MOST:
            raise ValueError(f"a vector of {count:,} tables")
        for place in range(start, start + 4 * count, 4):
            yield Table(self.data, _followed(self.data, place))

    def vector(self, field: int, size: int) -> tuple[int, int]:
        """Where a vector of items of so many bytes begins, and how many there are; none without the field."""
        place = self._place(field)
        if place is None:
            return 0, 0
        start = _followed(self.data, place)
        count = _number(self.data, start, "I")
        if start + 4 + count * size > len(self.data):
            raise ValueError("a vector ends after the file; it is truncated")
        return start + 4, count

    def text(self, field: int) -> str:
        """A string, cut to what a name may have."""
        start, count = self.vector(field, 1)
        return bytes(self.data[start : start + min(count, 4096)]).decode("utf-8", "replace")

    def _place(self, field: int) -> int | None:
        table = self.at - _number(self.data, self.at, "i")
        size = _number(self.data, table, "H")
        if 4 + 2 * field + 2 > size:
            return None
        offset = _number(self.data, table + 4 + 2 * field, "H")
        return self.at + offset if offset else None


def root_of(data: object) -> Table:
    """The table that a file begins with."""
    return Table(data, _followed(data, 0))


def _number(data: object, at: int, kind: str) -> int:
    if at < 0 or at + struct.calcsize(kind) > len(data):
        raise ValueError("an offset leads out of the file; it is truncated")
    return struct.unpack_from(f"<{kind}", data, at)[0]


def _followed(data: object, at: int) -> int:
    return at + _number(data, at, "I")
