"""Graphs of TensorFlow 1 with their weights frozen into them: the constants of a GraphDef.

Source: tensorflow/core/framework: graph.proto, node_def.proto, attr_value.proto, tensor.proto.
"""

import math
import mmap
import re
from collections.abc import Iterator

import numpy as np

from lineage.checkpoints.checkpoint import Checkpoint, Entry, check_elements
from lineage.checkpoints.files import LIMITS, SafeFile, Unsupported
from lineage.checkpoints.formats.protobuf import Message, message, signed
from lineage.checkpoints.formats.tensorflow.bundle import DTYPES
from lineage.checkpoints.quantised.weights import weights_of
from lineage.checkpoints.sniffing import Content
from lineage.errors import UserError, one_line

NODE, NAME, OP, ATTRIBUTES = 1, 1, 2, 5
KEY, VALUE, TENSOR = 1, 2, 8
DTYPE, SHAPE, CONTENT, FLOATS = 1, 2, 4, 5
DIMENSION, SIZE = 2, 1
FIRST_NODE = re.compile(
    rb"\n[\x80-\xff]{0,4}[\x01-\x7f]\n[\x01-\x7f][\w./\-]+\x12[\x02-\x40](?!\w*Calculator)[A-Z]\w+", re.DOTALL
)
"""A node, its name and its operator, each behind its length; nodes of MediaPipe have calculators, and no weights."""


def is_graph(content: Content) -> bool:
    """A message whose first field is a node with a name and an operator."""
    return FIRST_NODE.match(content.head) is not None


def read_graph(file: SafeFile) -> list[Checkpoint]:
    """The constants of a graph.

    Raises:
        UserError: for a graph that is truncated, or constants that it does not hold.
        Unsupported: for a graph without its weights.
    """
    try:
        with file.real.open("rb") as stream:
            data = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        raw: dict[str, Entry] = {}
        for name, tensor in _constants(message(data)):
            if entry := _entry(file, name, tensor):
                raw[name] = entry
            if len(raw) > LIMITS.tensors:
                raise UserError(f"{file.path}: more than {LIMITS.tensors:,} constants")
    except (ValueError, IndexError) as error:
        raise UserError(f"{file.path}: broken graph of TensorFlow: {one_line(error)}") from None
    entries, left_out = weights_of(raw)
    if not entries:
        raise Unsupported(f"{file.path}: a graph of TensorFlow without weights; give its checkpoint")
    return [Checkpoint(file.path.name, "tensorflow graph", [file], entries, left_out)]


def _constants(graph: Message) -> Iterator[tuple[str, Message]]:
    """The name and the tensor of each constant."""
    for number, node in graph.fields():
        if number != NODE or not isinstance(node, Message):
            continue
        name = kind = ""
        tensor = None
        for field, value in node.fields():
            if not isinstance(value, Message):
                continue
            if field == NAME:
                name = value.text()
            elif field == OP:
                kind = value.text()
            elif field == ATTRIBUTES:
                tensor = _tensor_of(value) or tensor
        if kind == "Const" and tensor is not None:
            yield name, tensor


def _tensor_of(attribute: Message) -> Message | None:
    """The tensor that an attribute called `value` holds."""
    parts = _messages(attribute)
    if KEY not in parts or VALUE not in parts or parts[KEY].text() != "value":
        return None
    return _messages(parts[VALUE]).get(TENSOR)


def _messages(of: Message) -> dict[int, Message]:
    """The fields of a message that are no numbers."""
    return {number: value for number, value in of.fields() if isinstance(value, Message)}


def _entry(file: SafeFile, name: str, tensor: Message) -> Entry | None:
    """A constant of more than one number; None of texts, single numbers and repeated ones."""
    kind = next((value for number, value in tensor.fields() if number == DTYPE), None)
    if isinstance(kind, Message):
        raise ValueError(f"constant {name!r} has a type that is no number")
    dtype = DTYPES.get(kind)
    inner = _messages(tensor)
    shape = tuple(_lengths(inner[SHAPE])) if SHAPE in inner else ()
    numbers = inner.get(CONTENT, inner.get(FLOATS))
    check_elements(file.path, name, shape)
    if dtype is None or numbers is None or math.prod(shape) <= 1:
        return None
    size = math.prod(shape) * np.dtype(dtype).itemsize
    if CONTENT not in inner and (len(numbers) < size or np.dtype(dtype) != np.float32):
        return None
    if len(numbers) != size:
        raise ValueError(f"constant {name!r} of shape {shape} takes {size:,} bytes, found {len(numbers):,}")
    return Entry(shape, np.dtype(dtype).name, lambda: np.frombuffer(numbers.bytes(), dtype).reshape(shape))


def _lengths(shape: Message) -> Iterator[int]:
    for number, dimension in shape.fields():
        if number == DIMENSION and isinstance(dimension, Message):
            length = dict(dimension.fields()).get(SIZE, 0)
            if isinstance(length, Message):
                raise ValueError("a length that is no number")
            yield signed(length)
