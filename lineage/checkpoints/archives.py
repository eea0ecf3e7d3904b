"""Zip archives that nobody vouches for: looked at from their directory, before any member is opened."""

import io
import struct
import zipfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from lineage.checkpoints.files import LIMITS, MIB, SafeFile
from lineage.errors import UserError, one_line

END, END64, LOCATOR64 = b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07"
PACKED_BY = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
CLOSED = 0b1100001
"""Flags of members that are encrypted, in either way, or patches."""
BIG = 64 * MIB
"""A member from this size on may not be packed as tightly as a small one."""


@dataclass(frozen=True)
class Place:
    """Where a member's bytes lie: stored ones begin at `start`; `packed` ones are unpacked whole.

    size: unpacked; name: in the archive.
    """

    name: str
    start: int
    size: int
    packed: bool = False


def checked_members(file: SafeFile) -> list[zipfile.ZipInfo]:
    """The members of an archive that stays within the limits.

    Raises:
        UserError: for a directory that is broken or too large, a member that leaves the archive, is encrypted,
            overlaps another, or unpacks to more than the limits allow.
    """
    if (size := _directory_bytes(file)) > LIMITS.header_bytes:
        raise UserError(
            f"{file.path}: its zip directory of {size:,} bytes is over the limit of {LIMITS.header_bytes:,}"
        )
    try:
        with zipfile.ZipFile(file.real) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, OSError, ValueError) as error:
        raise UserError(f"{file.path}: broken zip archive: {one_line(error)}") from None
    if len(members) > LIMITS.tensors + 100:
        raise UserError(
            f"{file.path}: {len(members):,} members are over the limit of {LIMITS.tensors + 100:,}"
        )
    names = Counter(member.filename for member in members)
    if twice := [name for name, count in names.items() if count > 1]:
        raise UserError(f"{file.path}: member {twice[0]!r} stands there more often than once")
    for member in members:
        _check(file, member)
    if (packed := sum(member.compress_size for member in members)) > file.size:
        raise UserError(
            f"{file.path}: its members overlap: they say {packed:,} bytes, the file has {file.size:,}"
        )
    if (unpacked := sum(member.file_size for member in members)) > LIMITS.file_bytes:
        raise UserError(f"{file.path}: unpacks to {unpacked:,} bytes; the limit is {LIMITS.file_bytes:,}")
    return members


def _check(file: SafeFile, member: zipfile.ZipInfo) -> None:
    where = f"{file.path}: member {member.filename!r}"
    name = PurePosixPath(member.filename.replace("\\", "/"))
    if name.is_absolute() or ".." in name.parts:
        raise UserError(f"{where} leads out of the archive")
    if not 0 <= member.header_offset < file.size:
        raise UserError(f"{where} begins outside of the file; it is broken or truncated")
    if member.flag_bits & CLOSED:
        raise UserError(f"{where} is encrypted, or a patch of another file")
    if member.compress_type not in PACKED_BY:
        raise UserError(
            f"{where} is packed by method {member.compress_type}, which is not known here; pack it again"
        )
    if member.compress_type == zipfile.ZIP_STORED and member.file_size != member.compress_size:
        raise UserError(
            f"{where} is stored as it is, but says both {member.file_size:,} and {member.compress_size:,} bytes"
        )
    limit = LIMITS.ratio if member.file_size < BIG else LIMITS.ratio / 10
    if member.file_size > limit * max(member.compress_size, 1):
        raise UserError(
            f"{where} unpacks to {member.file_size:,} bytes, "
            f"{member.file_size / max(member.compress_size, 1):,.0f} times its size; the limit is {limit:g}"
        )


def places_of(file: SafeFile, members: Sequence[zipfile.ZipInfo]) -> dict[str, Place]:
    """Where the bytes of members lie, by their names.

    Raises:
        UserError: for a member without a header of its own, or that ends after the file.
    """
    with file.real.open("rb") as stream:
        return {
            member.filename: Place(
                member.filename,
                _start_of(file, stream, member),
                member.file_size,
                member.compress_type != zipfile.ZIP_STORED,
            )
            for member in members
        }


def content(file: SafeFile, place: Place, most: int = LIMITS.header_bytes) -> bytes:
    """A member's bytes, unpacked.

    Raises:
        UserError: if it is larger than `most`, or cannot be unpacked.
    """
    if place.size > most:
        raise UserError(f"{file.path}: member {place.name!r} has {place.size:,} bytes; the limit is {most:,}")
    if not place.packed:
        with file.real.open("rb") as stream:
            stream.seek(place.start)
            return stream.read(place.size)
    try:
        with zipfile.ZipFile(file.real) as archive, archive.open(place.name) as stream:
            return stream.read(place.size)
    except (zipfile.BadZipFile, zipfile.zlib.error, NotImplementedError, EOFError, OSError) as error:
        raise UserError(f"{file.path}: member {place.name!r} cannot be unpacked: {one_line(error)}") from None


def _start_of(file: SafeFile, stream: io.BufferedReader, member: zipfile.ZipInfo) -> int:
    """Where a member's bytes begin: after its local header, a name and an extra field."""
    stream.seek(member.header_offset)
    header = stream.read(30)
    if len(header) < 30 or header[:4] != b"PK\x03\x04":
        raise UserError(f"{file.path}: broken zip archive: no header before member {member.filename!r}")
    start = member.header_offset + 30 + sum(struct.unpack("<HH", header[26:]))
    if start + member.compress_size > file.size:
        raise UserError(f"{file.path}: member {member.filename!r} ends after the file; it is truncated")
    return start


def _directory_bytes(file: SafeFile) -> int:
    """The largest size of the archive's directory that one of its end records states."""
    with file.real.open("rb") as stream:
        stream.seek(max(0, file.size - 65557))
        tail = stream.read()
        at = tail.rfind(END)
        if at < 0 or at + 22 > len(tail):
            raise UserError(f"{file.path}: a zip archive without its end; it is truncated")
        (size,) = struct.unpack_from("<I", tail, at + 12)
        if at < 20 or tail[at - 20 : at - 16] != LOCATOR64:
            return size
        (place,) = struct.unpack_from("<Q", tail, at - 12)
        end = max(0, file.size - len(tail)) + at
        sizes = [0 if size == 0xFFFFFFFF else size]
        for start in (min(place, file.size), max(0, end - 76)):  # as it says, and where Python looks
            stream.seek(start)
            record = stream.read(56)
            if record[:4] == END64 and len(record) == 56:
                sizes += struct.unpack_from("<Q", record, 40)
        if len(sizes) == 1:
            raise UserError(f"{file.path}: broken zip archive: no zip64 end record")
    return max(sizes)
