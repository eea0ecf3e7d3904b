"""`.npz` archives of NumPy, without pickles."""

import zipfile

import numpy as np

from lineage.checkpoints.archives import checked_members
from lineage.checkpoints.checkpoint import Checkpoint, Entry, LeftOut, check_elements
from lineage.checkpoints.files import SafeFile
from lineage.checkpoints.quantised.weights import left_out_of
from lineage.errors import UserError, one_line

OBJECT = 2
"""Bytes of a pickle that hold a weight, at least."""


def read_npz(file: SafeFile) -> list[Checkpoint]:
    """The arrays of an archive, unpacked one at a time.

    Raises:
        UserError: for a broken archive, or a header that contradicts its member.
    """
    entries, left_out = {}, {}
    with zipfile.ZipFile(file.real) as archive:
        for member in checked_members(file):
            name = member.filename.removesuffix(".npy")
            shape, dtype, header_bytes = _header(file, archive, member)
            if dtype.hasobject:
                reason = "pickled objects: never opened"
                left_out[name] = LeftOut(reason, numbers=member.file_size // OBJECT)
            elif dtype.kind != "f":
                left_out[name] = left_out_of(name, shape, str(dtype))
            else:
                check_elements(file.path, name, shape)
                said = header_bytes + int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
                if said != member.file_size:
                    raise UserError(
                        f"{file.path}: array {name!r} of shape {shape} takes {said:,} bytes, "
                        f"but its member has {member.file_size:,}"
                    )
                entries[name] = Entry(shape, str(dtype), lambda member=member.filename: _array(file, member))
    return [Checkpoint(file.path.name, "npz", [file], entries, left_out)]


def _header(file: SafeFile, archive: zipfile.ZipFile, member: zipfile.ZipInfo):
    """Shape, dtype and bytes of an array's header."""
    try:
        with archive.open(member) as stream:
            version = np.lib.format.read_magic(stream)
            reader = {1: np.lib.format.read_array_header_1_0, 2: np.lib.format.read_array_header_2_0}[
                version[0]
            ]
            shape, _, dtype = reader(stream)
            return shape, dtype, stream.tell()
    except (ValueError, KeyError, SyntaxError, TypeError, EOFError, zipfile.BadZipFile, RecursionError,
            MemoryError, OverflowError, zipfile.zlib.error) as error:  # fmt: skip
        raise UserError(f"{file.path}: array {member.filename!r} is broken: {one_line(error)}") from None


def _array(file: SafeFile, member: str) -> np.ndarray:
    try:
        with zipfile.ZipFile(file.real) as archive, archive.open(member) as stream:
            return np.lib.format.read_array(stream, allow_pickle=False)
    except (zipfile.BadZipFile, zipfile.zlib.error) as error:
        raise ValueError(one_line(error)) from None
