"""What the names in PyTorch's pickles stand for: tensors that are described, not built.

Source: torch/_utils.py (`_rebuild_tensor_v2`) and torch/serialization.py (`persistent_id`).
"""

from dataclasses import dataclass

import ml_dtypes
import numpy as np

from lineage.checkpoints.files import LIMITS, SafeFile, Unsupported
from lineage.checkpoints.pickles import Pickle, dictionary, short
from lineage.errors import UserError

STORAGES = {
    "torch FloatStorage": np.dtype(np.float32),
    "torch DoubleStorage": np.dtype(np.float64),
    "torch HalfStorage": np.dtype(np.float16),
    "torch BFloat16Storage": np.dtype(ml_dtypes.bfloat16),
    "torch LongStorage": np.dtype(np.int64),
    "torch IntStorage": np.dtype(np.int32),
    "torch ShortStorage": np.dtype(np.int16),
    "torch CharStorage": np.dtype(np.int8),
    "torch ByteStorage": np.dtype(np.uint8),
    "torch BoolStorage": np.dtype(np.bool_),
    "torch UntypedStorage": np.dtype(np.uint8),
    "torch.storage UntypedStorage": np.dtype(np.uint8),
}
DTYPES = {
    f"torch {dtype.name}": dtype
    for dtype in (
        *map(np.dtype, ("f8", "f4", "f2", "i8", "i4", "i2", "i1", "u8", "u4", "u2", "u1", "bool")),
        *map(np.dtype, (
            ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e4m3fnuz, ml_dtypes.float8_e5m2,
            ml_dtypes.float8_e5m2fnuz, ml_dtypes.float8_e8m0fnu,
        )),
    )
}  # fmt: skip

NUMPYS_AXES = 64
"""So many axes can an array have."""


@dataclass(frozen=True)
class Name:
    """A name in a pickle, as `module attribute`."""

    text: str


@dataclass(frozen=True)
class Storage:
    """A run of numbers in the file: `length` elements of the stored run `key`, from element `start` on."""

    key: str
    dtype: np.dtype
    length: int
    start: int = 0


@dataclass(frozen=True)
class Tensor:
    """A view of a storage; offset and strides count elements."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    @property
    def dtype(self) -> np.dtype:
        """The storage's."""
        return self.storage.dtype


class TorchPickle(Pickle):
    """A pickle of PyTorch; `storages` are those that it refers to, by key."""

    def __init__(self, file: SafeFile):
        super().__init__(file)
        self.storages: dict[str, Storage] = {}
        self.copied = 0

    def named(self, name: str) -> object:
        """A name that describes tensors stays a name.

        Raises:
            Unsupported: for one of PyTorch's or NumPy's own objects that holds no plain tensors.
            UserError: for any other.
        """
        if name in BUILDERS or name in STORAGES or name in DTYPES:
            return Name(name)
        name = name.replace(" ", ".")
        if name.startswith(("torch.", "__torch__", "numpy.", "argparse.", "collections.")):
            raise Unsupported(
                f"{self.file.path}: its pickle holds a {name}; nothing was executed; save the state_dict() alone"
            )
        raise UserError(
            f"{self.file.path}: its pickle would call {name}; nothing was executed; ask for safetensors"
        )

    def called(self, function: object, arguments: tuple) -> object:
        """A tensor's description, an empty dictionary, or None for what describes no weights."""
        if not isinstance(function, Name) or function.text not in BUILDERS:
            raise ValueError("it calls what PyTorch does not call")
        if function.text == "collections OrderedDict" and arguments:
            return self._items_of_python_2(*arguments)
        return BUILDERS[function.text](*arguments)

    def _items_of_python_2(self, pairs: list) -> dict:
        """An OrderedDict as Python 2 wrote it: all items at once, which a file could ask for again and again."""
        self.copied += len(pairs)
        if self.copied > LIMITS.tensors:
            raise ValueError(f"more than {LIMITS.tensors:,} items in its OrderedDicts")
        return dictionary([part for key, value in pairs for part in (key, value)])

    def referred(self, reference: tuple) -> Storage:
        """The description of a storage."""
        kind, name, key, _, length, *view = reference
        if kind == "module":
            self.named("torch.nn Module")
        if kind != "storage" or not isinstance(key, str) or name.text not in STORAGES:
            raise ValueError("expected a reference to a storage")
        start = 0
        if view and view[0] is not None:  # of PyTorch before 0.4: key, offset, length
            _, start, length = view[0]
        storage = Storage(key, STORAGES[name.text], _count(length), _count(start))
        self.storages.setdefault(key, storage)
        return storage


def _tensor(storage: Storage, offset: int, shape: tuple, strides: tuple, *_: object) -> Tensor:
    lengths = tuple(map(_count, short(shape, NUMPYS_AXES)))
    steps = tuple(map(_count, short(strides, NUMPYS_AXES)))
    if not isinstance(storage, Storage) or len(lengths) != len(steps):
        raise ValueError("expected a tensor's storage, offset, shape and strides")
    return Tensor(storage, _count(offset), lengths, steps)


def _tensor_of_bytes(storage, offset, shape, strides, requires_grad, hooks, dtype, *_: object) -> Tensor:
    """A tensor of a dtype without a kind of storage of its own, as the 8-bit floats."""
    dtype = DTYPES[dtype.text]
    return _tensor(Storage(storage.key, dtype, storage.length // dtype.itemsize), offset, shape, strides)


def _parameter(tensor: object, *_: object) -> object:
    return tensor


def _ordered_dict() -> dict:
    return {}


def _unused(*_: object) -> None:
    """Shapes, devices and bytes describe no weights."""


def _count(number: object) -> int:
    if not isinstance(number, int) or not 0 <= number < 2**62:
        raise ValueError("expected a length, an offset or a stride of 0 and more")
    return number


BUILDERS = {
    "torch._utils _rebuild_tensor": _tensor,
    "torch._utils _rebuild_tensor_v2": _tensor,
    "torch._utils _rebuild_tensor_v3": _tensor_of_bytes,
    "torch._utils _rebuild_parameter": _parameter,
    "torch.nn.parameter Parameter": _parameter,
    "torch.nn.parameter.Parameter": _parameter,
    "collections OrderedDict": _ordered_dict,
    "torch Size": _unused,
    "torch device": _unused,
    "_codecs encode": _unused,
}
"""What stands for a call of each of PyTorch's names."""
