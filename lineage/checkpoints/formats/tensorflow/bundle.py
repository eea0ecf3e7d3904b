"""Checkpoints of TensorFlow: an index of variables, and their numbers in `.data-00000-of-00001` beside it.

Source: tensorflow/core/protobuf/tensor_bundle.proto, tensorflow/core/framework/types.proto.
"""

import math
import re
from dataclasses import dataclass

import ml_dtypes
import numpy as np

from lineage.checkpoints.checkpoint import Checkpoint, Entry, LeftOut, check_elements, counters_in, natural
from lineage.checkpoints.files import LIMITS, SafeFile, Unsupported, safe_file
from lineage.checkpoints.formats.protobuf import Message, message, signed
from lineage.checkpoints.formats.tensorflow.lists import held_once
from lineage.checkpoints.formats.tensorflow.table import MAGIC, items_of
from lineage.checkpoints.quantised.weights import weights_of
from lineage.checkpoints.sniffing import Content
from lineage.errors import UserError, one_line

DTYPES = {
    1: np.float32, 2: np.float64, 3: np.int32, 4: np.uint8, 5: np.int16, 6: np.int8, 9: np.int64, 10: np.bool_,
    14: ml_dtypes.bfloat16, 17: np.uint16, 19: np.float16, 22: np.uint32, 23: np.uint64,
    24: ml_dtypes.float8_e5m2, 25: ml_dtypes.float8_e4m3fn,
}  # fmt: skip
STRING = 7
NUM_SHARDS, ENDIAN = 1, 2
DTYPE, SHAPE, SHARD, OFFSET, SIZE, SLICES = 1, 2, 3, 4, 5, 7
VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"
SLOT = "/.OPTIMIZER_SLOT/"
OF_OPTIMISERS = re.compile(
    r"(^|/)(_?optimizer|_CHECKPOINTABLE_OBJECT_GRAPH|save_counter|global_step|beta[12]_power)(/|$)|"
    r"/(Adam(_\d)?|Momentum|RMSProp(_\d)?|Adagrad|Ftrl(_\d)?|adam_[mv]|LARSOptimizer|AdamWeightDecayOptimizer\w*)$"
)
AVERAGE = "/ExponentialMovingAverage"
"""What the averaged copies of variables are called."""


@dataclass
class Variable:
    """A variable, as the index describes it."""

    kind: int = 0
    shape: tuple[int, ...] = ()
    shard: int = 0
    offset: int = 0
    size: int = 0
    is_sliced: bool = False


def is_bundle(content: Content) -> bool:
    """A table, whose first key, the empty one, says how many files of numbers there are."""
    return content.tail.endswith(MAGIC) and content.head[:2] == b"\0\0"


def read_bundle(file: SafeFile) -> list[Checkpoint]:
    """The variables of a checkpoint, without the optimiser's; averaged copies are a model of their own.

    Raises:
        UserError: for a broken index, or variables that the files of numbers do not hold.
        Unsupported: for a checkpoint of a machine in big endian.
    """
    if file.size > LIMITS.header_bytes:
        raise UserError(
            f"{file.path}: an index of {file.size:,} bytes is over the limit of {LIMITS.header_bytes:,}"
        )
    variables: dict[str, Variable] = {}
    shards = 1
    try:
        for key, value in items_of(file.real.read_bytes()):
            if not key:
                shards = _header(file, message(value))
            elif not key.startswith(b"\0"):
                variables[key.decode("utf-8", "replace")] = _variable(message(value))
    except (ValueError, IndexError) as error:
        raise UserError(f"{file.path}: broken index of TensorFlow: {one_line(error)}") from None
    parts: dict[int, SafeFile] = {}
    raw: dict[str, Entry] = {}
    left_out: dict[str, LeftOut] = {}
    for name, found in variables.items():
        if found.kind == STRING or SLOT in name or OF_OPTIMISERS.search(name.removesuffix(VALUE)):
            continue
        called = name.removesuffix(VALUE).replace("/", ".")
        if found.is_sliced or found.kind not in DTYPES:
            reason = f"type {found.kind}: a variable in slices or of a type that is not read"
            left_out[called] = LeftOut(reason, found.shape, math.prod(found.shape))
            continue
        if found.shard not in parts:
            parts[found.shard] = _part(file, found.shard, shards)
        raw[called] = _entry(file, parts[found.shard], name, found)
    most = sum(part.size for part in parts.values())
    return _models(file, list(parts.values()), held_once(raw, most), left_out)


def _models(
    file: SafeFile, parts: list[SafeFile], raw: dict[str, Entry], left_out: dict[str, LeftOut]
) -> list[Checkpoint]:
    """The variables, in the order of their numbers; and those of their averaged copies, if there are any."""
    suffix = AVERAGE.replace("/", ".")
    groups = {"": {}, "ExponentialMovingAverage": {}}
    for name in sorted(raw, key=natural):
        groups["ExponentialMovingAverage" if name.endswith(suffix) else ""][name.removesuffix(suffix)] = raw[
            name
        ]
    found = []
    for id, group in groups.items():
        entries, more = weights_of(group)
        if id and not entries:
            continue
        name = f"{file.path.name}::{id}" if id else file.path.name
        found.append(
            Checkpoint(
                name,
                "tensorflow",
                [file, *parts],
                entries,
                left_out | more,
                is_main=not id,
                counters=counters_in(group),
            )
        )
    return found


def _header(file: SafeFile, said: Message) -> int:
    fields = dict(said.fields())
    if fields.get(ENDIAN):
        raise Unsupported(f"{file.path}: a checkpoint in big endian; expected little endian")
    shards = fields.get(NUM_SHARDS, 1)
    if not isinstance(shards, int) or not 0 < shards < 100_000:
        raise ValueError(f"{shards} files of numbers")
    return shards


def _variable(said: Message) -> Variable:
    found = Variable()
    for number, value in said.fields():
        if number == SLICES:
            found.is_sliced = True
        elif number == SHAPE and isinstance(value, Message):
            found.shape = tuple(_length(axis) for key, axis in value.fields() if key == 2)
        elif isinstance(value, int) and number in (DTYPE, SHARD, OFFSET, SIZE):
            setattr(
                found, {DTYPE: "kind", SHARD: "shard", OFFSET: "offset", SIZE: "size"}[number], signed(value)
            )
    return found


def _length(axis: object) -> int:
    if not isinstance(axis, Message):
        raise ValueError("a shape without lengths")
    return next(
        (signed(value) for number, value in axis.fields() if number == 1 and isinstance(value, int)), 0
    )


def _part(file: SafeFile, shard: int, shards: int) -> SafeFile:
    """A file of numbers."""
    name = f"{file.path.name.removesuffix('.index')}.data-{shard:05d}-of-{shards:05d}"
    try:
        return safe_file(file.path.parent / name)
    except UserError as error:
        raise UserError(f"{file.path}: its numbers lie beside it: {error}") from None


def _entry(file: SafeFile, part: SafeFile, name: str, found: Variable) -> Entry:
    check_elements(file.path, name, found.shape)
    dtype = np.dtype(DTYPES[found.kind])
    size = math.prod(found.shape) * dtype.itemsize
    if found.size != size or found.offset < 0 or found.offset + size > part.size:
        raise UserError(
            f"{file.path}: variable {name!r} of shape {found.shape} takes {size:,} bytes, but {found.size:,} are "
            f"said to be stored at {found.offset:,} of {part.size:,} in {part.path.name}"
        )

    def load() -> np.ndarray:
        return np.fromfile(part.real, np.uint8, size, offset=found.offset).view(dtype).reshape(found.shape)

    return Entry(found.shape, dtype.name, load)
