"""What the names in PyTorch's pickles stand for: what describes tensors becomes their description, and a class or
function of anything else a stand-in, that is never imported or called.

Source: torch/_utils.py, torch/serialization.py (`persistent_id`), torch/csrc/jit/serialization/pickler.cpp.
"""

from dataclasses import dataclass

from lineage.checkpoints.files import LIMITS, SafeFile
from lineage.checkpoints.formats.pytorch.arrays import Array, Encoded, array, array_of_buffer, array_of_jax
from lineage.checkpoints.formats.pytorch.tensors import DTYPES, STORAGES, Quantised, Sparse, Storage, Tensor
from lineage.checkpoints.pickles import Pickle, StandIn, dictionary, short
from lineage.errors import UserError

NUMPYS_AXES = 64
"""So many axes can an array have."""
DANGEROUS = {
    *(
        "os",
        "posix",
        "nt",
        "posixpath",
        "ntpath",
        "subprocess",
        "sys",
        "shutil",
        "socket",
        "runpy",
        "importlib",
    ),
    *("ctypes", "pty", "webbrowser", "code", "commands", "pdb", "bdb", "timeit", "pip", "pickle", "marshal"),
    *(
        "requests",
        "urllib",
        "http",
        "ftplib",
        "tempfile",
        "multiprocessing",
        "signal",
        "imp",
        "pydoc",
        "asyncio",
    ),
}
"""Modules whose functions no checkpoint needs, and that attacks call."""
WITH_BUILTINS = {"builtins", "__builtin__", "io", "_io", "codecs"}
DANGEROUS_BUILTINS = {
    "eval",
    "exec",
    "execfile",
    "compile",
    "open",
    "file",
    "__import__",
    "input",
    "breakpoint",
}


@dataclass(frozen=True)
class Name:
    """A name in a pickle, as `module attribute`."""

    text: str

    @property
    def dotted(self) -> str:
        """As people write it."""
        return self.text.replace(" ", ".")


class TorchPickle(Pickle):
    """A pickle of PyTorch or NumPy.

    storages: those that it refers to, by key; foreign: names that became stand-ins; has_arrays: NumPy's.
    """

    def __init__(self, file: SafeFile, prefix: str = ""):
        super().__init__(file)
        self.storages: dict[str, Storage] = {}
        self.foreign: dict[str, None] = {}
        self.prefix = prefix
        self.copied = 0
        self.has_arrays = False

    def named(self, name: str) -> object:
        """A name stays a name.

        Raises:
            UserError: for one that only an attack needs.
        """
        module, _, attribute = name.partition(" ")
        top = module.partition(".")[0]
        if top in DANGEROUS or (top in WITH_BUILTINS and attribute.split(".")[0] in DANGEROUS_BUILTINS):
            raise UserError(
                f"{self.file.path}: its pickle would call {module}.{attribute}; nothing was executed; "
                "ask for safetensors"
            )
        return Name(name)

    def called(self, function: object, arguments: tuple) -> object:
        """A tensor's description, a dictionary, or a stand-in."""
        if not isinstance(function, Name) or function.text.removeprefix("torch ") in (*DTYPES, *STORAGES):
            raise ValueError("it calls what PyTorch does not call")
        if function.text == "collections OrderedDict":
            return self._items_of_python_2(*short(arguments)) if arguments else {}
        if function.text in SUBCLASS:
            function_in_it, _, inner, *_ = short(arguments)
            return self.called(function_in_it, inner)
        if function.text in BUILDERS:
            found = BUILDERS[function.text](*short(arguments))
            self.has_arrays |= isinstance(found, Array)
            return found
        if function.text.replace("__builtin__", "builtins").replace("xrange", "range") not in HARMLESS:
            self.foreign[function.dotted] = None
        return StandIn(function.text, arguments)

    def _items_of_python_2(self, pairs: list) -> dict:
        """An OrderedDict as Python 2 wrote it: all items at once, which a file could ask for again and again."""
        self.copied += len(pairs)
        if self.copied > LIMITS.tensors:
            raise ValueError(f"more than {LIMITS.tensors:,} items in its OrderedDicts")
        return dictionary([part for key, value in pairs for part in (key, value)])

    def referred(self, reference: tuple) -> object:
        """The description of a storage; of a module with its source, as PyTorch before 1.6 wrote it, its class."""
        kind, name, key, *rest = reference
        if kind == "module" and isinstance(name, Name):
            return name
        if kind != "storage" or not isinstance(key, str):
            raise ValueError("expected a reference to a storage")
        _, length, *view = rest
        start = 0
        if view and view[0] is not None:  # of PyTorch before 0.4: key, offset, length
            _, start, length = view[0]
        dtype = STORAGES.get(name.text.rpartition(" ")[2])
        if dtype is None:
            raise ValueError(f"{name.dotted} is no storage that is known")
        storage = Storage(f"{self.prefix}{key}", dtype, _count(length), _count(start))
        self.storages.setdefault(storage.key, storage)
        return storage


def _tensor(storage: Storage, offset: int, shape: tuple, strides: tuple, *_: object) -> Tensor:
    lengths = tuple(map(_count, short(shape, NUMPYS_AXES)))
    steps = tuple(map(_count, short(strides, NUMPYS_AXES)))
    if not isinstance(storage, Storage) or len(lengths) != len(steps):
        raise ValueError("expected a tensor's storage, offset, shape and strides")
    return Tensor(storage, _count(offset), lengths, steps)


def _tensor_of_bytes(storage, offset, shape, strides, requires_grad, hooks, dtype, *_: object) -> Tensor:
    """A tensor of a dtype without a kind of storage of its own, as the 8-bit floats."""
    dtype = DTYPES[dtype.text.removeprefix("torch ")]
    return _tensor(Storage(storage.key, dtype, storage.length // dtype.itemsize), offset, shape, strides)


def _quantised(storage, offset, shape, strides, parameters: tuple, *_: object) -> Quantised:
    """A quantised tensor: the scheme, the scale and the zero point, and the axis of one for each channel."""
    tensor = _tensor(storage, offset, shape, strides)
    scheme, scale, zero, *axis = short(parameters)
    if isinstance(scale, Tensor) and isinstance(zero, Tensor):
        along = _count(axis[0])
        if along >= len(tensor.shape) or not scale.shape == zero.shape == (tensor.shape[along],):
            raise ValueError(f"expected a scale for each channel of axis {along}")
        return Quantised(tensor, scale, zero, along)
    if not isinstance(scale, int | float) or not isinstance(zero, int | float):
        raise ValueError(f"a quantised tensor of the scheme {getattr(scheme, 'text', scheme)!r}")
    return Quantised(tensor, float(scale), float(zero))


def _sparse(layout: object, parts: tuple) -> Sparse:
    """A sparse tensor: by coordinates, or with an axis of two compressed."""
    *indices, values, shape = short(parts)[: 3 if layout == COORDINATES else 4]
    lengths = tuple(map(_count, short(shape, NUMPYS_AXES)))
    if layout != COORDINATES and layout not in COMPRESSED:
        raise ValueError(f"a sparse tensor of the layout {layout!r}")
    if not all(isinstance(part, Tensor) for part in (*indices, values)):
        raise ValueError("expected a sparse tensor's indices and values")
    if layout == COORDINATES:
        (places,) = indices
        is_whole = len(places.shape) == 2 and 0 < places.shape[0] <= len(lengths)
        expected = (*places.shape[1:], *lengths[places.shape[0] :]) if is_whole else None
    else:
        begins, others = indices
        is_whole = len(lengths) == 2 and begins.shape == (lengths[COMPRESSED[layout]] + 1,)
        expected = others.shape if is_whole and len(others.shape) == 1 else None
    if values.shape != expected:
        raise ValueError("the shapes of a sparse tensor's indices and values do not fit its own")
    return Sparse(values, tuple(indices), lengths, COMPRESSED.get(layout))


def _first(thing: object, *_: object) -> object:
    return thing


def _unused(*_: object) -> None:
    """Devices describe no weights."""


def _count(number: object) -> int:
    if not isinstance(number, int) or not 0 <= number < 2**62:
        raise ValueError("expected a length, an offset or a stride of 0 and more")
    return number


COORDINATES, COMPRESSED = "torch.sparse_coo", {"torch.sparse_csr": 0, "torch.sparse_csc": 1}
"""Layouts of sparse tensors, and which axis of two each compresses."""
SUBCLASS = {"torch._tensor _rebuild_from_type_v2"}
"""A subclass of tensors: what makes the tensor in it, and with what."""
BUILDERS = {
    "torch._utils _rebuild_tensor": _tensor,
    "torch._utils _rebuild_tensor_v2": _tensor,
    "torch._utils _rebuild_tensor_v3": _tensor_of_bytes,
    "torch._utils _rebuild_qtensor": _quantised,
    "torch._utils _rebuild_sparse_tensor": _sparse,
    "torch.serialization _get_layout": _first,
    "torch._utils _rebuild_parameter": _first,
    "torch._utils _rebuild_parameter_with_state": _first,
    "torch.nn.parameter Parameter": _first,
    "torch.nn.parameter.Parameter": _first,
    "torch.jit._pickle restore_type_tag": _first,
    "torch.jit._pickle build_tensorlist": _first,
    "torch.jit._pickle build_intlist": _first,
    "torch.jit._pickle build_doublelist": _first,
    "torch.jit._pickle build_boollist": _first,
    "torch Size": _first,
    "torch device": _unused,
    "_codecs encode": Encoded,
    "numpy.core.multiarray _reconstruct": array,
    "numpy._core.multiarray _reconstruct": array,
    "numpy.core.numeric _frombuffer": array_of_buffer,
    "numpy._core.numeric _frombuffer": array_of_buffer,
    "jax._src.array _reconstruct_array": array_of_jax,
}
"""What stands for a call of each of PyTorch's and NumPy's names."""
HARMLESS = {
    *("collections Counter", "collections defaultdict", "collections deque", "argparse Namespace"),
    *("pathlib PosixPath", "pathlib WindowsPath", "pathlib PurePosixPath", "pathlib._local PosixPath"),
    *("datetime datetime", "datetime date", "datetime timedelta", "datetime timezone", "decimal Decimal"),
    *("numpy dtype", "numpy.core.multiarray scalar", "numpy._core.multiarray scalar", "numpy ndarray"),
    *("builtins set", "builtins frozenset", "builtins complex", "builtins slice"),
    *("builtins range", "builtins bytearray", "uuid UUID", "fractions Fraction", "copyreg _reconstructor"),
    "joblib.numpy_pickle NumpyArrayWrapper",
}
"""Values that checkpoints hold beside their tensors: they become stand-ins too, and need no word."""
