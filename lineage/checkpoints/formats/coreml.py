"""Core ML: programs (`.mlpackage`), whose constants lie in `weights/weight.bin` beside the `.mlmodel`.

Field numbers are those of Model.proto and MIL.proto; the layout of the numbers is that of StorageFormat.hpp,
all of coremltools.
"""

import math
import mmap
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import ml_dtypes
import numpy as np

from lineage.checkpoints.checkpoint import Checkpoint, Entry, LeftOut, check_elements
from lineage.checkpoints.files import LIMITS, SafeFile, Unsupported, read_bytes, safe_file
from lineage.checkpoints.formats.protobuf import Message, message
from lineage.checkpoints.quantised.arithmetic import scaled
from lineage.checkpoints.sniffing import Content, is_protobuf
from lineage.errors import UserError, one_line

OF_ONNX, KINDS, PROGRAM = 7, range(200, 3001), 502
"""Fields of a model: ONNX' graph; Core ML's kinds of models, of which this is a program."""
FUNCTIONS, BLOCKS, VALUE_OF_A_MAP = 2, 3, 2
OPERATIONS, TYPE, OUTPUTS, INNER, ATTRIBUTES = 3, 1, 3, 4, 5
NESTING = 16
DTYPES = {
    10: np.dtype(np.float16), 11: np.dtype(np.float32), 12: np.dtype(np.float64),
    13: np.dtype(ml_dtypes.bfloat16), 21: np.dtype(np.int8), 31: np.dtype(np.uint8), 33: np.dtype("<u4"),
}  # fmt: skip
"""Types of numbers, as MIL.proto counts them."""
PLACE = "@model_path/weights/"
SENTINEL, HEADER = 0xDEADBEEF, 64
"""What the header of each run of numbers begins with, and its bytes."""
ENDINGS = ("_quantized", "_palettized", "_to_fp16")
"""What converters add to the names of weights."""


@dataclass(frozen=True)
class Value:
    """A constant: its type and shape, and where it lies in which file, or its numbers."""

    dtype: np.dtype | None
    shape: tuple[int, ...]
    file: str = ""
    offset: int = 0
    numbers: np.ndarray | None = None


Files, Parts = Mapping[str, SafeFile], Mapping[str, Value]


def is_core_ml(content: Content) -> bool:
    """Whether a message describes itself and has a model of one of Core ML's kinds, and no graph of ONNX."""
    if not is_protobuf(content):
        return False
    try:
        numbers = set()
        for number, _ in _mapped(content.file).fields():
            numbers.add(number)
            if number == OF_ONNX or number in KINDS:
                break
    except (OSError, ValueError, IndexError):
        return False
    return OF_ONNX not in numbers and not numbers.isdisjoint(KINDS)


def read_core_ml(file: SafeFile) -> list[Checkpoint]:
    """The constants of a program, quantised ones by their scales.

    Raises:
        UserError: for a broken file, or numbers that are missing or elsewhere.
        Unsupported: for a model that is no program.
    """
    try:
        model = _mapped(file)
        programs = [
            value for number, value in model.fields() if number == PROGRAM and isinstance(value, Message)
        ]
        if not programs:
            raise Unsupported(
                f"{file.path}: a model of Core ML that is no program (.mlpackage), which is not read; give what it "
                "was converted from, or convert that to a program"
            )
        return [_program(file, programs[0])]
    except (IndexError, ValueError, UnicodeDecodeError, struct.error) as error:
        raise UserError(f"{file.path}: broken model of Core ML: {one_line(error)}") from None


def _mapped(file: SafeFile) -> Message:
    with file.real.open("rb") as stream:
        return message(mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ))


def _program(file: SafeFile, program: Message) -> Checkpoint:
    entries, left_out, files = {}, {}, {}
    for kind, output, parts in _operations(program):
        name = _bare(output)
        if kind not in HOLDERS:
            reason = f"{kind}: quantised weights, of a kind that is not read"
            numbers = sum(math.prod(part.shape) for part in parts.values())
            left_out[name] = LeftOut(reason, numbers=2 * numbers)
            continue
        main = parts.get(HOLDERS[kind])
        if main is None or not main.file:
            continue
        for part in parts.values():
            if part.file and part.file not in files:
                files[part.file] = _beside(file, part.file)
        if main.dtype is None or (kind == "const" and main.dtype.kind in "iu"):
            reason = "of whole numbers, or a type that is not known: no weights"
            left_out[name] = LeftOut(reason, main.shape)
            continue
        unique = name if name not in entries else f"{name}#{len(entries)}"
        entries[unique] = READERS[kind](files, parts)
        check_elements(file.path, unique, entries[unique].shape)
        if len(entries) > LIMITS.tensors:
            raise ValueError(f"more than {LIMITS.tensors:,} constants")
    if not entries:
        raise Unsupported(f"{file.path}: this program of Core ML has no weights that are read")
    return Checkpoint(file.path.name, "coreml", [file, *files.values()], entries, left_out)


def _constant(files: Files, parts: Parts) -> Entry:
    value = parts["val"]
    return Entry(value.shape, value.dtype.name, lambda: _numbers(files, value))


def _dequantised(files: Files, parts: Parts) -> Entry:
    """(q − zero point) · scale, one for each place of an axis, or for all."""
    main = parts["quantized_data"]

    def of_all(key: str, default: float, along: list[int]) -> np.ndarray:
        found = np.asarray(_numbers(files, parts[key]) if key in parts else default, np.float32)
        return found.reshape(along if found.size > 1 else ())

    def load() -> np.ndarray:
        along = [1] * len(main.shape)
        along[int(_numbers(files, parts["axis"]).reshape(-1)[0]) if "axis" in parts else 0] = -1
        return scaled(_numbers(files, main), of_all("scale", 1, along), of_all("zero_point", 0, along))

    return Entry(main.shape, main.dtype.name, load)


def _from_a_table(files: Files, parts: Parts) -> Entry:
    """Numbers of a table, by places that lie packed in as many bits as that takes."""
    main, table = parts["indices"], parts.get("lut")
    said = parts["shape"].numbers if "shape" in parts else None
    if table is None or said is None:
        raise ValueError("a table of weights without its table or its shape")
    shape = tuple(int(length) for length in said)

    def load() -> np.ndarray:
        numbers = _numbers(files, table).reshape(-1)
        bits, count = len(numbers).bit_length() - 1, math.prod(shape)
        if not 1 <= bits <= 8 or main.dtype != np.uint8 or math.prod(main.shape) * 8 < bits * count:
            raise ValueError("a table of weights with fewer places than weights")
        spread = np.unpackbits(_numbers(files, main).reshape(-1), count=bits * count, bitorder="little")
        return numbers[np.packbits(spread.reshape(count, bits), axis=1, bitorder="little")[:, 0]].reshape(
            shape
        )

    return Entry(shape, "uint8", load)


HOLDERS = {
    "const": "val",
    "constexpr_affine_dequantize": "quantized_data",
    "constexpr_lut_to_dense": "indices",
}
"""By the operation that gives a constant: the attribute that holds most of its numbers."""
READERS = dict(zip(HOLDERS, (_constant, _dequantised, _from_a_table), strict=True))


def _numbers(files: Files, value: Value) -> np.ndarray:
    """The numbers of a constant; raises a ValueError or EOFError where the file has others."""
    if value.numbers is not None:
        return value.numbers
    if value.dtype is None:
        raise ValueError("numbers of a type that is not known")
    size = math.prod(value.shape) * value.dtype.itemsize
    header = read_bytes(files[value.file], value.offset, HEADER).tobytes()
    sentinel, _, said, start = struct.unpack_from("<IIQQ", header)
    if sentinel != SENTINEL or said != size:
        raise ValueError(f"expected {size:,} bytes at {value.offset:,} of {value.file}")
    return read_bytes(files[value.file], start, size).view(value.dtype).reshape(value.shape)


def _beside(file: SafeFile, said: str) -> SafeFile:
    name = said.removeprefix(PLACE)
    if not said.startswith(PLACE) or "/" in name or name in ("", "..", "."):
        raise UserError(
            f"{file.path}: its numbers lie at {said!r}; expected a file in the folder weights beside it"
        )
    try:
        return safe_file(file.path.parent / "weights" / name, inside=file.path.parent)
    except UserError as error:
        raise UserError(f"{file.path}: its numbers lie beside it: {error}") from None


def _bare(name: str) -> str:
    for ending in ENDINGS:
        name = name.removesuffix(ending)
    return name


def _operations(program: Message) -> Iterator[tuple[str, str, dict[str, Value]]]:
    """Of each operation of a program its type, the name of what it gives, and its attributes."""
    for function in _inner(program, FUNCTIONS, VALUE_OF_A_MAP):
        for block in _inner(function, BLOCKS, VALUE_OF_A_MAP):
            yield from _of_block(block, 0)


def _of_block(block: Message, depth: int) -> Iterator[tuple[str, str, dict[str, Value]]]:
    if depth > NESTING:
        raise ValueError(f"blocks nest deeper than {NESTING}")
    for operation in _inner(block, OPERATIONS):
        kind = next((part.text() for part in _inner(operation, TYPE)), "")
        if kind.startswith("const"):
            output = next((part.text() for part in _inner(operation, OUTPUTS, 1)), "")
            attributes = {}
            for pair in _inner(operation, ATTRIBUTES):
                key = next((part.text() for part in _inner(pair, 1)), "")
                for value in _inner(pair, VALUE_OF_A_MAP):
                    attributes[key] = _value(value)
            yield kind, output, attributes
        for inner in _inner(operation, INNER):
            yield from _of_block(inner, depth + 1)


def _value(value: Message) -> Value:
    numbers, file, offset, shape, dtype = None, "", 0, [], None
    for kind in _inner(value, 2, 1):
        for number, part in kind.fields():
            if number == 1 and isinstance(part, int):
                dtype = DTYPES.get(part)
            elif number == 3 and isinstance(part, Message):
                sizes = [size for axis in _inner(part, 1) for field, size in axis.fields() if field == 1]
                shape.append(sizes[0] if sizes and isinstance(sizes[0], int) else 0)
                if len(shape) > 64:
                    raise ValueError("a tensor of more than 64 axes")
    for place in _inner(value, 5):
        for number, part in place.fields():
            if number == 1 and isinstance(part, Message):
                file = part.text()
            elif number == 2 and isinstance(part, int):
                offset = part
    for tensor in _inner(value, 3, 1):
        for number, part in tensor.fields():
            if isinstance(part, Message) and number in (1, 2, 7):
                numbers = _immediate(number, part, dtype)
    return Value(dtype, tuple(shape), file, offset, numbers)


def _immediate(kind: int, part: Message, dtype: np.dtype | None) -> np.ndarray:
    """Numbers in the message itself: floats, whole numbers, or bytes of another type."""
    found: list = []
    for number, values in part.fields():
        if number == 1 and isinstance(values, Message):
            if kind == 2:
                found.extend(values.varints(LIMITS.tensors))
            else:
                data = values.bytes()
                found.extend(np.frombuffer(data, "<f4" if kind == 1 else dtype or np.uint8))
        elif number == 1:
            found.append(struct.unpack("<f", struct.pack("<I", values))[0] if kind == 1 else values)
    return np.asarray(found)


def _inner(whole: Message, *path: int) -> Iterator[Message]:
    """The messages that lie in one under such numbers, one inside the other."""
    first, *rest = path
    for number, value in whole.fields():
        if number == first and isinstance(value, Message):
            if rest:
                yield from _inner(value, *rest)
            else:
                yield value
