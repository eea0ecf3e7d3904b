"""Files that nobody vouches for: resolved, sniffed and hashed before anything parses them.

Zip archives among them are looked at from their directory, before any member is opened.
"""

import hashlib
import os
import stat
import struct
import zipfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from lineage.errors import UserError, one_line

MIB = 2**20
GIB = 2**30


class Unsupported(UserError):  # noqa: N818
    """A well-formed input of a kind that is not supported."""

    exit_code = 5


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a checkpoint may ask of this machine."""

    file_bytes: int = 64 * GIB
    """Of one file."""
    tensors: int = 100_000
    """In one model."""
    header_bytes: int = 32 * MIB
    """Of a safetensors header, a zip directory, a JSON index or an ONNX node."""
    pickle_bytes: int = 4 * MIB
    """Of the pickle of a PyTorch file, whose objects take some fifty times its size."""
    nesting: int = 16
    """Of dictionaries in a checkpoint, and of groups in HDF5."""
    ratio: float = 200.0
    """Of a member's size to its compressed size."""
    tensor_elements: int = 2**30
    """Of one tensor: the memory that reading it takes is four bytes each."""


LIMITS = Limits()


@dataclass(frozen=True)
class SafeFile:
    """A regular file inside the folder that it was looked for in.

    path: as given; real: with symbolic links resolved; notes: what a reader of the audit should know of it.
    """

    path: Path
    real: Path
    size: int
    mtime_ns: int
    inode: int
    notes: tuple[str, ...] = field(default=())

    @property
    def state(self) -> list:
        """What changes when the file does: place, size, time, inode."""
        return [str(self.real), self.size, self.mtime_ns, self.inode]


def safe_file(path: Path, *, inside: Path | None = None, follow: bool = False) -> SafeFile:
    """Looks at a file without opening it.

    Args:
        path: the file.
        inside: the folder that a symbolic link may not leave; by default the file's own.
        follow: let links lead out of that folder; it is noted.

    Raises:
        UserError: if it is missing, empty, too large, not a regular file, unreadable, or a link that leads out.
    """
    path = Path(path)
    notes = []
    folder = (inside or path.parent).resolve()
    try:
        real = path.resolve(strict=True)
        status = real.stat()
    except FileNotFoundError:
        if path.is_symlink():
            raise UserError(f"{path}: is a link to {path.readlink()}, which does not exist") from None
        raise UserError(f"{path}: expected a checkpoint, found no such file") from None
    except RuntimeError:
        raise UserError(f"{path}: is a link that leads to itself; give the checkpoint") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be looked at: {os.strerror(error.errno)}") from None
    if real != path.parent.resolve() / path.name or path.is_symlink():
        if not real.is_relative_to(folder) and not follow:
            raise UserError(
                f"{path}: is a link that leads out of {folder}, to {real}; give that file itself, "
                "or --follow-links"
            )
        notes.append(f"a link to {real}")
    if not stat.S_ISREG(status.st_mode):
        raise UserError(f"{path}: expected a regular file, found {_kind(status.st_mode)}")
    if status.st_size == 0:
        raise UserError(f"{path}: is empty")
    if status.st_size > LIMITS.file_bytes:
        raise UserError(
            f"{path}: has {status.st_size:,} bytes, more than the limit of {LIMITS.file_bytes:,}; "
            "split it into shards"
        )
    if not os.access(real, os.R_OK, effective_ids=os.access in os.supports_effective_ids):
        raise UserError(f"{path}: cannot be read: permission denied")
    return SafeFile(path, real, status.st_size, status.st_mtime_ns, status.st_ino, tuple(notes))


def head_of_file(file: SafeFile, size: int = 4096) -> bytes:
    """The first bytes of a file.

    Raises:
        UserError: if it cannot be opened.
    """
    try:
        with file.real.open("rb") as stream:
            return stream.read(size)
    except OSError as error:
        raise UserError(f"{file.path}: cannot be read: {os.strerror(error.errno)}") from None


def sha256_of(path: Path) -> str:
    """The sha256 of a file, in hex digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _kind(mode: int) -> str:
    kinds = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}
    return kinds.get(stat.S_IFMT(mode), "a device")


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
