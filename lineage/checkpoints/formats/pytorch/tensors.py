"""Tensors of PyTorch that are described, not built; and their numbers, read from the file.

Sources: torch/_utils.py (`_rebuild_tensor_v2`, `_rebuild_qtensor`), torch/storage.py.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import ml_dtypes
import numpy as np

from lineage.checkpoints.archives import Place, content
from lineage.checkpoints.files import GIB, MIB, SafeFile, read_bytes
from lineage.checkpoints.trees import Leaf
from lineage.errors import UserError

REPEATED = MIB
"""A tensor of so many bytes may repeat what is stored, as an expanded one does."""
FLOATS = {
    "Float8_e4m3fn": ml_dtypes.float8_e4m3fn,
    "Float8_e4m3fnuz": ml_dtypes.float8_e4m3fnuz,
    "Float8_e5m2": ml_dtypes.float8_e5m2,
    "Float8_e5m2fnuz": ml_dtypes.float8_e5m2fnuz,
    "Float8_e8m0fnu": ml_dtypes.float8_e8m0fnu,
    "BFloat16": ml_dtypes.bfloat16,
    "Half": np.float16,
    "Float": np.float32,
    "Double": np.float64,
}
OTHERS = {
    "Bool": np.bool_,
    "Char": np.int8,
    "Short": np.int16,
    "Int": np.int32,
    "Long": np.int64,
    "Byte": np.uint8,
    "UInt16": np.uint16,
    "UInt32": np.uint32,
    "UInt64": np.uint64,
    "Untyped": np.uint8,
    "QInt8": np.int8,
    "QUInt8": np.uint8,
    "QInt32": np.int32,
    "ComplexHalf": np.dtype("2f2"),
    "ComplexFloat": np.complex64,
    "ComplexDouble": np.complex128,
}
STORAGES = {f"{name}Storage": np.dtype(kind) for name, kind in {**FLOATS, **OTHERS}.items()}
"""Storages by their class' names."""
DTYPES = {dtype.name: dtype for dtype in STORAGES.values() if dtype.kind != "c"}
"""Types by the names that PyTorch and NumPy share."""


@dataclass(frozen=True)
class Storage:
    """A run of numbers in the file: `length` elements of the stored run `key`, from element `start` on."""

    key: str
    dtype: np.dtype
    length: int
    start: int = 0


@dataclass(frozen=True)
class Tensor(Leaf):
    """A view of a storage; offset and strides count elements."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    @property
    def dtype(self) -> np.dtype:
        """The storage's."""
        return self.storage.dtype

    @property
    def extent(self) -> int:
        """How many elements lie between the first and the last, both counted."""
        if 0 in self.shape:
            return 0
        return 1 + sum((length - 1) * step for length, step in zip(self.shape, self.strides, strict=True))


@dataclass(frozen=True)
class Quantised(Leaf):
    """Integers, their scale and zero point: numbers, or tensors of one for each channel along `axis`."""

    tensor: Tensor
    scale: float | Tensor
    zero: float | Tensor
    axis: int = 0

    @property
    def shape(self) -> tuple[int, ...]:
        """The integers'."""
        return self.tensor.shape

    @property
    def dtype(self) -> np.dtype:
        """The integers'."""
        return self.tensor.dtype

    @property
    def is_real(self) -> bool:
        """True, as its scale makes them real numbers."""
        return True


@dataclass(frozen=True)
class Sparse(Leaf):
    """The values of a sparse tensor, and where they stand; all others are 0.

    values: [n, ...]; indices: of each axis that is sparse, one after another: [axes, n], or, if an axis is
    compressed, where the values of each of its places begin: [places + 1] and the indices of the other: [n].
    compressed: which axis is, None of one by coordinates.
    """

    values: Tensor
    indices: tuple[Tensor, ...]
    shape: tuple[int, ...]
    compressed: int | None = None

    @property
    def dtype(self) -> np.dtype:
        """The values'."""
        return self.values.dtype


class Storages:
    """The storages of a file, by the keys that its tensors use; held: bytes of those that lie in a pickle itself."""

    def __init__(
        self,
        file: SafeFile,
        places: dict[str, Place],
        byte_order: str = "<",
        held: Mapping[str, bytes] = MappingProxyType({}),
    ):
        self.file, self.places, self.byte_order, self.held = file, places, byte_order, held
        self._unpacked: tuple[str, bytes] = ("", b"")

    def check(self, name: str, tensor: "Stored") -> int:
        """How many bytes have to be read for a tensor, once it is certain that all of them are in the file.

        Raises:
            UserError: if they are not.
        """
        if isinstance(tensor, Quantised):
            parts = [part for part in (tensor.tensor, tensor.scale, tensor.zero) if isinstance(part, Tensor)]
            return sum(self.check(name, part) for part in parts)
        if isinstance(tensor, Sparse):
            return sum(self.check(name, part) for part in (tensor.values, *tensor.indices))
        size, key = tensor.dtype.itemsize, tensor.storage.key
        if key not in self.places:
            raise UserError(f"{self.file.path}: tensor {name!r}: its storage {key!r} is not in the file")
        place = self.places[key]
        begin = tensor.storage.start + tensor.offset
        within = min(place.size, (tensor.storage.start + tensor.storage.length) * size)
        taken = math.prod(tensor.shape) * size
        if taken > max(place.size, REPEATED) or (begin + tensor.extent) * size > within:
            raise UserError(
                f"{self.file.path}: tensor {name!r} of shape {tensor.shape} is larger than what "
                "the file stores for it"
            )
        return place.size if place.packed else taken

    def values(self, tensor: "Stored") -> np.ndarray:
        """A tensor's numbers, copied; quantised ones times their scale, sparse ones with their zeros."""
        if isinstance(tensor, Sparse):
            return self._dense(tensor)
        if isinstance(tensor, Quantised):
            return self._dequantised(tensor)
        if 0 in tensor.shape:
            return np.zeros(tensor.shape, tensor.dtype)
        size = tensor.dtype.itemsize
        begin = (tensor.storage.start + tensor.offset) * size
        is_whole = tensor.extent == math.prod(tensor.shape)
        numbers = self._numbers(self.places[tensor.storage.key], begin, tensor.extent, size, is_whole)
        view = np.lib.stride_tricks.as_strided(
            numbers, tensor.shape, [step * size for step in tensor.strides]
        )
        return np.array(view, f"=u{size}", order="C", subok=False, copy=None if is_whole else True).view(
            tensor.dtype
        )

    def _numbers(self, place: Place, begin: int, count: int, size: int, is_whole: bool) -> np.ndarray:
        """Elements of a stored run as unsigned integers, which have a byte order; mapped if not all are needed."""
        kind = np.dtype(f"{self.byte_order}u{size}")
        if place.name in self.held:
            return np.frombuffer(self.held[place.name], kind, count, place.start + begin)
        if not place.packed and is_whole:
            return read_bytes(self.file, place.start + begin, count * size).view(kind)
        if not place.packed:
            return np.memmap(self.file.real, kind, "r", place.start + begin, (count,))
        if self._unpacked[0] != place.name:
            self._unpacked = place.name, content(self.file, place, GIB)
        return np.frombuffer(self._unpacked[1], kind, count, begin)

    def _dequantised(self, tensor: Quantised) -> np.ndarray:
        values = self.values(tensor.tensor).astype(np.float32)
        along = [-1 if place == tensor.axis else 1 for place in range(values.ndim)]
        scale, zero = (
            self.values(part).astype(np.float32).reshape(along) if isinstance(part, Tensor) else part
            for part in (tensor.scale, tensor.zero)
        )
        return ((values - zero) * scale).astype(np.float32)

    def _dense(self, tensor: Sparse) -> np.ndarray:
        """The whole tensor; values at one place are added, as PyTorch does.

        Raises:
            ValueError: for an index that lies outside.
        """
        values = self.values(tensor.values).astype(np.float32)
        found = np.zeros(tensor.shape, np.float32)
        indices = [self.values(part) for part in tensor.indices]
        if tensor.compressed is None:
            (places,) = indices
        else:
            begins, others = indices
            counts = np.diff(begins)
            if (counts < 0).any() or counts.sum() != len(values):
                raise ValueError("its compressed indices are not those of its values")
            own = np.repeat(np.arange(len(counts)), counts)
            places = np.stack((own, others) if tensor.compressed == 0 else (others, own))
        if (places < 0).any() or (places >= np.array(tensor.shape[: len(places)])[:, None]).any():
            raise ValueError(f"an index lies outside of its shape {tensor.shape}")
        np.add.at(found, tuple(places), values)
        return found


Stored = Tensor | Quantised | Sparse
"""A tensor whose numbers lie in storages."""
