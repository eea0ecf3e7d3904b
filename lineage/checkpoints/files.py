"""Files that nobody vouches for: resolved, sniffed and hashed before anything parses them."""

import hashlib
import json
import os
import stat
import threading
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from lineage.errors import UserError, one_line

MIB = 2**20
GIB = 2**30


class Unsupported(UserError):  # noqa: N818
    """A well-formed input of a kind that is not supported."""

    exit_code = 5


class NoWeights(Unsupported):
    """A file that was read to its end and holds no weights: what a training leaves beside a model."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a checkpoint may ask of this machine."""

    file_bytes: int = 64 * GIB
    """Of one file."""
    tensors: int = 100_000
    """In one model."""
    header_bytes: int = 32 * MIB
    """Of a safetensors header, a zip directory, a JSON index or an ONNX node."""
    pickle_bytes: int = 32 * MIB
    """Of the pickle of a PyTorch file."""
    array_bytes: int = 256 * MIB
    """Of the arrays in a bare pickle, which are held in memory."""
    operations: int = 1_500_000
    """Of a pickle: each takes some microseconds, and leaves an object of some hundred bytes."""
    nesting: int = 24
    """Of dictionaries and modules in a checkpoint, and of groups in HDF5."""
    ratio: float = 200.0
    """Of a member's size to its compressed size; a tenth of it from 64 MiB on."""
    numbers_a_byte: int = 32
    """In all tensors of a model, for each byte of its files; packed archives have more than others."""
    views: int = 8
    """How often a file's bytes may be read: its tensors may share them."""
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
    if any("\ud800" <= sign <= "\udfff" for sign in str(path)):
        raise UserError(f"{path}: its name is not UTF-8, so that no report could name it; rename it")
    notes = []
    try:
        folder = (inside or path.parent).resolve()
        real = path.resolve(strict=True)
        status = real.stat()
    except FileNotFoundError:
        if path.is_symlink():
            raise UserError(f"{path}: is a link to {path.readlink()}, which does not exist") from None
        if path.parts and path.parts[0].endswith(":"):
            address = f"{path.parts[0]}//{'/'.join(path.parts[1:])}"
            raise UserError(f"{address}: is an address, and nothing is downloaded; give a file") from None
        raise UserError(f"{path}: expected a checkpoint, found no such file") from None
    except RuntimeError:
        raise UserError(f"{path}: is a link that leads to itself; give the checkpoint") from None
    except ValueError:
        raise UserError(f"{str(path)!r}: no file can be called so; give the checkpoint") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be looked at: {os.strerror(error.errno)}") from None
    if real != path.parent.resolve() / path.name or path.is_symlink():
        if not real.is_relative_to(folder) and not follow:
            raise UserError(
                f"{path}: is a link that leads out of {folder}, to {real}; "
                f"give that {'folder' if real.is_dir() else 'file'} itself, "
                "or --follow-links"
            )
        notes.append(f"a link to {real}")
    if stat.S_ISDIR(status.st_mode) and (why := why_closed(real)):
        raise UserError(f"{path}: is a folder that cannot be looked into: {why}")
    if not stat.S_ISREG(status.st_mode):
        raise UserError(f"{path}: expected a regular file, found {_kind(status.st_mode)}")
    if status.st_size == 0:
        raise UserError(f"{path}: is empty")
    if status.st_size > LIMITS.file_bytes:
        raise UserError(
            f"{path}: has {status.st_size:,} bytes, more than the limit of {LIMITS.file_bytes:,}; "
            "split it into shards"
        )
    if not may(os.R_OK, real):
        raise UserError(f"{path}: cannot be read: permission denied")
    return SafeFile(path, real, status.st_size, status.st_mtime_ns, status.st_ino, tuple(notes))


def may(do: int, path: Path) -> bool:
    """Whether this process may read a file (os.R_OK), or open what lies in a folder (os.X_OK)."""
    return os.access(path, do, effective_ids=os.access in os.supports_effective_ids)


def mode_of(path: Path) -> int:
    """The mode of a file or folder; 0 of what is not there or cannot be looked at."""
    try:
        return path.stat().st_mode
    except (OSError, ValueError):
        return 0


def why_closed(folder: Path) -> str:
    """Why a folder cannot be looked into; empty if it can: its files can be listed and opened."""
    try:
        os.scandir(folder).close()
    except OSError as error:
        return os.strerror(error.errno).lower()
    return "" if may(os.X_OK, folder) else "permission denied"


def companion(file: SafeFile, suffix: str) -> SafeFile:
    """The file beside one that holds its numbers: of the same name, but for the suffix. Raises as `safe_file`."""
    try:
        return safe_file(file.path.with_suffix(suffix))
    except UserError as error:
        raise UserError(f"{file.path}: its numbers lie beside it: {error}") from None


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


def read_json(file: SafeFile, what: str) -> object:
    """What a file of JSON holds.

    Args:
        what: it is, for the message.

    Raises:
        UserError: for a file over the limit of headers, or that is no JSON.
    """
    if file.size > LIMITS.header_bytes:
        raise UserError(
            f"{file.path}: {what} of {file.size:,} bytes is over the limit of {LIMITS.header_bytes:,}"
        )
    try:
        return json.loads(file.real.read_bytes())
    except (ValueError, RecursionError) as error:
        raise UserError(f"{file.path}: expected JSON: {one_line(error)}") from None


def read_bytes(file: SafeFile, start: int, size: int) -> np.ndarray:
    """A run of a file's bytes.

    They are read and not mapped: of a file that is cut off meanwhile, a map's pages end the process.

    Raises:
        EOFError: if the file ends before.
    """
    found = np.empty(size, np.uint8)
    left = memoryview(found)
    with file.real.open("rb", buffering=0) as stream:
        stream.seek(start)
        while left:
            if not (count := stream.readinto(left)):
                raise EOFError(f"the file ends {len(left):,} bytes before")
            left = left[count:]
    return found


def sha256_of(path: Path, stop: threading.Event | None = None) -> str:
    """The sha256 of a file, in hex digits; once `stop` is set, of as much as was read."""
    found, block = hashlib.sha256(), bytearray(MIB)
    with path.open("rb", buffering=0) as stream:
        while not (stop and stop.is_set()) and (count := stream.readinto(block)):
            found.update(memoryview(block)[:count])
    return found.hexdigest()


def _kind(mode: int) -> str:
    kinds = {stat.S_IFDIR: "a folder; give a file in it", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}
    return kinds.get(stat.S_IFMT(mode), "a device")
