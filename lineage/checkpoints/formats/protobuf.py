"""Messages of protobuf, walked without a schema: which fields there are, and where their bytes lie.

Source: protobuf.dev/programming-guides/encoding.
"""

from collections.abc import Iterator
from dataclasses import dataclass

MOST = 1_500_000
"""Fields of one file: walking each takes a microsecond or two."""


@dataclass
class Message:
    """A part of a mapped file.

    data: of the file; start, end: of the message; count: of fields so far, shared by all messages of the file.
    """

    data: object
    start: int
    end: int
    count: list[int]

    def fields(self) -> Iterator[tuple[int, "int | Message"]]:
        """Numbers and values: of a number itself, of fixed ones their bits, of everything else where it lies.

        Raises:
            ValueError: for what is no message, or is truncated.
        """
        at = self.start
        while at < self.end:
            self.count[0] += 1
            if self.count[0] > MOST:
                raise ValueError(f"more than {MOST:,} fields")
            key, at = self._varint(at)
            number, kind = key >> 3, key & 7
            if kind == 0:
                value, at = self._varint(at)
                yield number, value
            elif kind == 2:
                length, at = self._varint(at)
                if at + length > self.end:
                    raise ValueError(
                        f"field {number} of {length:,} bytes ends after the file; it is truncated"
                    )
                yield number, Message(self.data, at, at + length, self.count)
                at += length
            elif kind in (1, 5):
                size = 8 if kind == 1 else 4
                if at + size > self.end:
                    raise ValueError(f"field {number} ends after the file; it is truncated")
                yield number, int.from_bytes(self.data[at : at + size], "little")
                at += size
            else:
                raise ValueError(f"wire type {kind} at byte {at:,} is none of protobuf's")

    def __len__(self) -> int:
        return self.end - self.start

    def bytes(self) -> bytes:
        """A copy of the bytes."""
        return bytes(self.data[self.start : self.end])

    def text(self, most: int = 65_536) -> str:
        """The bytes as text; raises a ValueError if there are too many."""
        if len(self) > most:
            raise ValueError(f"a name of {len(self):,} bytes")
        return self.bytes().decode("utf-8", "replace")

    def varints(self, most: int = 64) -> list[int]:
        """A packed list of numbers; raises a ValueError if there are more than `most`."""
        found, at = [], self.start
        while at < self.end:
            value, at = self._varint(at)
            found.append(value)
            if len(found) > most:
                raise ValueError(f"a list of more than {most} numbers")
        return found

    def _varint(self, at: int) -> tuple[int, int]:
        value = shift = 0
        while at < self.end and shift < 64:
            byte = self.data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value, at
            shift += 7
        raise ValueError(f"no number at byte {at:,}; it is truncated or no protobuf")


def message(data: object) -> Message:
    """The message that a whole mapped file, or bytes, hold."""
    return Message(data, 0, len(data), [0])


def signed(value: int) -> int:
    """A number of 64 bits, with its sign."""
    return value - 2**64 if value >= 2**63 else value
