"""Archives of Keras 3 (`.keras`): a description, and weights in HDF5.

Source: keras/src/saving/saving_lib.py.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager

import h5py

from lineage.checkpoints.archives import Place, checked_members, content, places_of
from lineage.checkpoints.checkpoint import Checkpoint
from lineage.checkpoints.files import GIB, SafeFile, Unsupported
from lineage.checkpoints.formats.hdf5.read import read_hdf5

WEIGHTS = "model.weights.h5"


def read_keras_archive(file: SafeFile) -> list[Checkpoint]:
    """The weights in a `.keras` archive.

    Raises:
        UserError: for a broken or hostile archive.
        Unsupported: for one without weights.
    """
    places = places_of(file, checked_members(file))
    if WEIGHTS not in places:
        raise Unsupported(f"{file.path}: an archive of Keras without {WEIGHTS}")
    place = places[WEIGHTS]

    @contextmanager
    def opening() -> Iterator[h5py.File]:
        stream = io.BytesIO(content(file, place, GIB)) if place.packed else _Window(file, place)
        with stream, h5py.File(stream, "r") as opened:
            yield opened

    return read_hdf5(file, opening)


class _Window(io.RawIOBase):
    """A stored member of an archive, as a file of its own."""

    def __init__(self, file: SafeFile, place: Place):
        super().__init__()
        self._stream, self._place, self._at = file.real.open("rb"), place, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._place.size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer) -> int:
        left = max(0, self._place.size - self._at)
        self._stream.seek(self._place.start + self._at)
        found = self._stream.read(min(len(buffer), left))
        buffer[: len(found)] = found
        self._at += len(found)
        return len(found)

    def close(self) -> None:
        self._stream.close()
        super().close()
