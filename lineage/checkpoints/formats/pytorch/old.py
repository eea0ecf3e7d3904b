"""Files that begin with a pickle: PyTorch's before 1.6, five pickles, then each storage after its length, always in
little endian; and bare pickles, which hold NumPy's arrays in themselves, or PyTorch's storages, each as such a file
of its own; joblib's, where arrays stand between the operations of the pickle.

Sources: torch/serialization.py, `_legacy_save`; torch/storage.py, `__reduce__`; joblib/numpy_pickle.py.
"""

import io

from lineage.checkpoints.archives import Place
from lineage.checkpoints.files import LIMITS, SafeFile
from lineage.checkpoints.formats.pytorch.bare import MAGIC, PROTOCOL, BarePickle
from lineage.checkpoints.formats.pytorch.tensors import Storages
from lineage.errors import UserError

LONG = 4096
"""A longer run of bytes in a pickle is an array's."""


class _Front:
    """The front of a file, of which no more than a pickle may have is read; of long runs, what arrays may have."""

    def __init__(self, stream: io.BufferedReader):
        self.stream, self.left, self.left_of_arrays = stream, LIMITS.pickle_bytes, LIMITS.array_bytes

    def read(self, size: int) -> bytes:
        """So many bytes."""
        if size > LONG:
            found = self.stream.read(min(size, self.left_of_arrays + 1))
            self.left_of_arrays -= len(found)
            if self.left_of_arrays < 0:
                raise ValueError(f"its arrays have more than {LIMITS.array_bytes:,} bytes")
            return found
        return self._counted(self.stream.read(min(size, self.left + 1)))

    def readline(self) -> bytes:
        """A line."""
        return self._counted(self.stream.readline(self.left + 1))

    def _counted(self, found: bytes) -> bytes:
        self.left -= len(found)
        if self.left < 0:
            raise ValueError(f"its pickles have more than {LIMITS.pickle_bytes:,} bytes")
        return found


def of_old(file: SafeFile) -> tuple[object, Storages, list[str]]:
    """The object in a file, its storages, and the names that became stand-ins.

    Raises:
        UserError: for a pickle of anything else, or a broken or truncated file.
    """
    pickle = BarePickle(file)
    places = {}
    with file.real.open("rb") as opened:
        stream = _Front(opened)
        pickle.opened = opened
        first = pickle.value(stream)
        if not isinstance(first, int) or first != MAGIC:
            if not (pickle.has_arrays or pickle.places) or opened.tell() != file.size:
                raise UserError(
                    f"{file.path}: a pickle, but not one that PyTorch wrote, nor one of NumPy's arrays alone; "
                    "save a state_dict()"
                )
            return first, Storages(file, pickle.places, held=pickle.held), list(pickle.foreign)
        protocol, _, loaded, keys = (pickle.value(stream) for _ in range(4))  # the second: the machine
        if protocol != PROTOCOL or not isinstance(keys, list):
            raise UserError(f"{file.path}: broken PyTorch file: expected protocol {PROTOCOL}")
        at = opened.tell()
        for key in keys:
            if not isinstance(key, str) or key not in pickle.storages or key in places:
                raise UserError(f"{file.path}: broken PyTorch file: a storage that no tensor has")
            opened.seek(at)
            length = int.from_bytes(opened.read(8), "little")
            size = length * pickle.storages[key].dtype.itemsize
            if at + 8 + size > file.size:
                raise UserError(f"{file.path}: storage {key!r} ends after the file; it is truncated")
            places[key] = Place(key, at + 8, size)
            at += 8 + size
    return loaded, Storages(file, places), list(pickle.foreign)
