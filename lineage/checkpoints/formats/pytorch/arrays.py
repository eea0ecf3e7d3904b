"""NumPy's arrays in pickles, described by what the pickle says of them; also JAX's, which wrap them.

Source: numpy/_core/src/multiarray/methods.c (`array_reduce`, `array_setstate`); jax/_src/array.py.
"""

import math
import re
from functools import cached_property

import ml_dtypes
import numpy as np

from lineage.checkpoints.checkpoint import Entry
from lineage.checkpoints.pickles import StandIn, short
from lineage.checkpoints.trees import Leaf

PLAIN = re.compile(r"[fiu][1248]|b1")
OF_ML_DTYPES = {"bfloat16", "float8_e4m3fn", "float8_e5m2"}
OBJECTS = np.dtype(object)
MOST_AXES = 64


class Encoded:
    """Bytes that a pickle of Python 2's protocols holds as text, a letter for each."""

    def __init__(self, text: object, *_: object):
        if not isinstance(text, str):
            raise ValueError("expected a text to encode")
        self.text = text

    def __len__(self) -> int:
        return len(self.text)


class Array(StandIn, Leaf):
    """An array that has not been looked at; one of objects, or that says what cannot be, has no weights."""

    def __init__(self, name: str, arguments: tuple = (), state: object = None):
        super().__init__(name, arguments)
        self.state = state

    @cached_property
    def _said(self) -> tuple[tuple[int, ...], np.dtype, bool, object]:
        """Shape, type, whether columns come before rows, and the bytes or text."""
        state = self.state if isinstance(self.state, tuple) else ()
        if len(state) == 5:
            state = state[1:]
        if len(state) != 4:
            return (), OBJECTS, False, b""
        shape, dtype, is_fortran, data = state
        is_shape = isinstance(shape, tuple) and len(shape) <= MOST_AXES
        if not is_shape or not all(isinstance(length, int) and 0 <= length < 2**40 for length in shape):
            return (), OBJECTS, False, b""
        found = type_of(dtype)
        is_stored = isinstance(data, bytes | bytearray | str | Encoded)
        if not is_stored or len(data) != math.prod(shape) * found.itemsize:
            return (), OBJECTS, False, b""
        return tuple(map(int, shape)), found, bool(is_fortran), data

    @property
    def shape(self) -> tuple[int, ...]:
        """As the pickle says."""
        return self._said[0]

    @property
    def dtype(self) -> np.dtype:
        """As the pickle says; in the byte order that it names."""
        return self._said[1]

    def entry(self) -> Entry:
        """How it is read."""
        return Entry(self.shape, self.dtype.name, self._values)

    def _values(self) -> np.ndarray:
        shape, dtype, is_fortran, data = self._said
        data = data.text if isinstance(data, Encoded) else data
        data = data.encode("latin-1") if isinstance(data, str) else data
        values = np.frombuffer(data, dtype).reshape(shape, order="F" if is_fortran else "C")
        return values.astype(dtype.newbyteorder("="))


def type_of(found: object) -> np.dtype:
    """The type that a stand-in for one means."""
    if not isinstance(found, StandIn) or not found.arguments:
        return OBJECTS
    said = found.arguments[0]
    name = getattr(said, "text", said)
    if isinstance(name, str) and name.rpartition(" ")[2] in OF_ML_DTYPES:
        return np.dtype(getattr(ml_dtypes, name.rpartition(" ")[2]))
    if not isinstance(name, str) or not PLAIN.fullmatch(name):
        return OBJECTS
    order = found.state[1] if isinstance(found.state, tuple) and len(found.state) > 1 else "="
    return np.dtype(name).newbyteorder(order if order in ("<", ">") else "=")


def array(*arguments: object) -> Array:
    """What NumPy makes empty, to be filled by its state."""
    return Array("numpy ndarray", short(arguments))


def array_of_buffer(data: object, dtype: object, shape: object, order: object = "C", *_: object) -> Array:
    """What NumPy makes of bytes, since protocol 5."""
    return Array("numpy ndarray", state=(shape, dtype, order == "F", data))


def array_of_jax(function: object, arguments: object, state: object, *_: object) -> Array:
    """An array of JAX: NumPy's, and what JAX knows beside it."""
    return Array("numpy ndarray", state=state)
