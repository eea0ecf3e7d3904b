"""A pickle that holds numbers in itself: storages of PyTorch, each a small file, and arrays as joblib writes them."""

import io
import math

import numpy as np

from lineage.checkpoints.archives import Place
from lineage.checkpoints.files import SafeFile
from lineage.checkpoints.formats.pytorch.arrays import type_of
from lineage.checkpoints.formats.pytorch.names import Name, TorchPickle
from lineage.checkpoints.formats.pytorch.tensors import DTYPES, Storage, Tensor
from lineage.checkpoints.pickles import StandIn, short

MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
"""What the two leading pickles of PyTorch before 1.6 hold."""
NESTED = "torch.storage _load_from_bytes"
"""What makes a storage of the bytes that PyTorch would have saved it in."""
OF_JOBLIB = "joblib.numpy_pickle NumpyArrayWrapper"
"""What says of the bytes that follow it which array they are."""


class BarePickle(TorchPickle):
    """A pickle whose storages lie in it or between its operations.

    places: of storages, by key; held: bytes that are in memory with the pickle; opened: the file it is read from.
    """

    opened: io.BufferedReader

    def __init__(self, file: SafeFile):
        super().__init__(file)
        self.places: dict[str, Place] = {}
        self.held: dict[str, bytes] = {}

    def called(self, function: object, arguments: tuple) -> object:
        """As in every pickle of PyTorch; of the bytes of a storage, the storage."""
        if isinstance(function, Name) and function.text == NESTED:
            return self._nested(*short(arguments))
        return super().called(function, arguments)

    def set_state(self) -> None:
        """Gives a stand-in its state; of joblib's, puts the array that follows there."""
        super().set_state()
        top = self.items[-1]
        if isinstance(top, StandIn) and top.name == OF_JOBLIB:
            self.items[-1] = self._following(top.state)

    def _nested(self, data: object) -> Storage:
        """The storage in a file of PyTorch before 1.6 that has one."""
        if not isinstance(data, bytes):
            raise ValueError("expected the bytes of a storage")
        inner = TorchPickle(self.file, f"{len(self.places)}/")
        inner._counter = self._counter
        stream = io.BytesIO(data)
        magic, protocol, _, found, keys = (inner.value(stream) for _ in range(5))
        if (
            (magic, protocol) != (MAGIC, PROTOCOL)
            or not isinstance(found, Storage)
            or not isinstance(keys, list)
        ):
            raise ValueError("expected a storage as PyTorch before 1.6 saved it")
        length = int.from_bytes(stream.read(8), "little")
        size = length * found.dtype.itemsize
        if stream.tell() + size > len(data):
            raise ValueError("a storage ends after its bytes")
        self.places[found.key] = Place(found.key, stream.tell(), size)
        self.held[found.key] = data
        return found

    def _following(self, said: object) -> Tensor:
        """The array that stands in the file here."""
        if not isinstance(said, dict) or not isinstance(said.get("shape"), tuple):
            raise ValueError("expected the shape of an array of joblib")
        dtype, shape = type_of(said.get("dtype")), short(said["shape"], 32)
        if dtype.name not in DTYPES or dtype.newbyteorder("<") != dtype:
            raise ValueError("an array of joblib of objects, or in big endian")
        if not all(isinstance(length, int) and 0 <= length < 2**40 for length in shape):
            raise ValueError("a shape that no array has")
        if said.get("numpy_array_alignment_bytes") is not None:
            (padding,) = self.opened.read(1) or b"\0"
            self.opened.read(padding)
        start, size = self.opened.tell(), math.prod(shape) * dtype.itemsize
        if start + size > self.file.size:
            raise ValueError("an array ends after the file; it is truncated")
        self.opened.seek(start + size)
        storage = Storage(f"at {start}", dtype, math.prod(shape))
        self.places[storage.key] = Place(storage.key, start, size)
        return Tensor(storage, 0, shape, _strides(shape, is_fortran=said.get("order") == "F"))


def _strides(shape: tuple[int, ...], *, is_fortran: bool) -> tuple[int, ...]:
    """Of an array without gaps, in elements."""
    along = shape[::-1] if not is_fortran else shape
    steps = tuple(int(step) for step in np.cumprod((1, *along))[: len(shape)])
    return steps if is_fortran else steps[::-1]
