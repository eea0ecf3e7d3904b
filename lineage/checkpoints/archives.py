"""Zip archives that nobody vouches for: looked at from the directory, before any member is opened."""

import struct
import zipfile
from collections import Counter
from pathlib import PurePosixPath

from lineage.checkpoints.files import LIMITS, SafeFile
from lineage.errors import UserError, one_line

END, END64, LOCATOR64 = b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07"


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
    packed = unpacked = 0
    for member in members:
        name = PurePosixPath(member.filename.replace("\\", "/"))
        if name.is_absolute() or ".." in name.parts:
            raise UserError(f"{file.path}: member {member.filename!r} leads out of the archive")
        if member.flag_bits & 1:
            raise UserError(f"{file.path}: member {member.filename!r} is encrypted")
        if member.file_size > LIMITS.ratio * max(member.compress_size, 1):
            raise UserError(
                f"{file.path}: member {member.filename!r} unpacks to {member.file_size:,} bytes, "
                f"{member.file_size / max(member.compress_size, 1):,.0f} times its size; "
                f"the limit is {LIMITS.ratio:g}"
            )
        packed += member.compress_size
        unpacked += member.file_size
    if packed > file.size:
        raise UserError(
            f"{file.path}: its members overlap: they say {packed:,} bytes, the file has {file.size:,}"
        )
    if unpacked > LIMITS.file_bytes:
        raise UserError(f"{file.path}: unpacks to {unpacked:,} bytes; the limit is {LIMITS.file_bytes:,}")
    return members


def _directory_bytes(file: SafeFile) -> int:
    """The size of the archive's directory as its end record states it."""
    with file.real.open("rb") as stream:
        stream.seek(max(0, file.size - 65557))
        tail = stream.read()
        at = tail.rfind(END)
        if at < 0 or at + 22 > len(tail):
            raise UserError(f"{file.path}: a zip archive without its end; it is truncated")
        (size,) = struct.unpack_from("<I", tail, at + 12)
        if size == 0xFFFFFFFF and tail[at - 20 : at - 16] == LOCATOR64:
            (place,) = struct.unpack_from("<Q", tail, at - 12)
            stream.seek(min(place, file.size))
            record = stream.read(56)
            if record[:4] != END64 or len(record) < 56:
                raise UserError(f"{file.path}: broken zip archive: no zip64 end record")
            (size,) = struct.unpack_from("<Q", record, 40)
    return size
