"""OpenVINO's intermediate representation: a graph in XML, and the numbers of its constants in a file beside it.

Source: docs.openvino.ai, "Operation sets in OpenVINO" (IR of versions 10 and 11).
"""

import itertools
import math
from dataclasses import dataclass, field
from xml.parsers import expat

import ml_dtypes
import numpy as np

from lineage.checkpoints.checkpoint import Checkpoint, Entry, LeftOut, check_elements
from lineage.checkpoints.files import LIMITS, SafeFile, Unsupported, companion
from lineage.checkpoints.quantised.arithmetic import scaled
from lineage.checkpoints.quantised.weights import FLOATS, left_out_of
from lineage.checkpoints.sniffing import Content
from lineage.errors import UserError, one_line

DTYPES = {
    "f64": np.float64, "f32": np.float32, "f16": np.float16, "bf16": ml_dtypes.bfloat16, "boolean": np.bool_,
    "i8": np.int8, "i16": np.int16, "i32": np.int32, "i64": np.int64,
    "u8": np.uint8, "u16": np.uint16, "u32": np.uint32, "u64": np.uint64,
    "f8e4m3": ml_dtypes.float8_e4m3fn, "f8e5m2": ml_dtypes.float8_e5m2,
    "i4": ml_dtypes.int4, "u4": ml_dtypes.uint4,
}  # fmt: skip
HALVES = ("i4", "u4")
"""Two numbers a byte, the lower half first."""
STEPS = {"Convert": "", "Subtract": "zero", "Multiply": "scale"}
"""The operators behind quantised weights, in this order; each but the first has another constant."""
MOST_LAYERS = 200_000


@dataclass
class Layer:
    """An operator: its name, its kind, and of a constant what the graph says of it."""

    name: str
    kind: str
    said: dict[str, str] = field(default_factory=dict)


def is_openvino(content: Content) -> bool:
    """XML of a net, with the version of its format."""
    return (
        content.text.startswith((b"<?xml", b"<net"))
        and b"<net " in content.head
        and b"version=" in content.head
    )


def read_openvino(file: SafeFile) -> list[Checkpoint]:
    """The constants of a graph that are weights; quantised ones times the scale that follows them.

    Raises:
        UserError: for a broken graph, or constants that the file of numbers does not hold.
        Unsupported: for a graph without weights.
    """
    layers, edges = _graph(file)
    constants = {
        id: layer for id, layer in layers.items() if layer.kind == "Const" and "offset" in layer.said
    }
    if not constants:
        raise Unsupported(
            f"{file.path}: this graph of OpenVINO holds no constants; expected a network's weights"
        )
    part = companion(file, ".bin")
    stored = {id: _Stored.of(file, part, layer) for id, layer in constants.items()}
    sources = _sources(edges)
    scales = {id: found for id in stored if (found := _scale(id, layers, edges, sources, stored))}
    used = {parameter for found in scales.values() for parameter in found.values()}
    entries, left_out = {}, {}
    for id, numbers in stored.items():
        name = numbers.name.removeprefix("self.").removesuffix("_compressed")
        name = name if name not in entries and name not in left_out else f"{name}#{id}"
        if id in used:
            continue
        shape = _as_weights(numbers.shape, is_grouped=_is_grouped(id, layers, edges))
        if id in scales:
            entries[name] = Entry(
                shape,
                numbers.kind,
                lambda id=id, shape=shape: _dequantised(stored, id, scales[id]).reshape(shape),
            )
        elif numbers.dtype.name not in FLOATS and not numbers.kind.startswith("f8"):
            left_out[name] = left_out_of(name, numbers.shape, numbers.dtype.name)
        elif math.prod(numbers.shape) <= 1:
            reason = "a constant of the graph, no weights"
            left_out[name] = LeftOut.of(reason, numbers.shape, numbers.dtype.name)
        else:
            entries[name] = Entry(
                shape,
                numbers.dtype.name,
                lambda numbers=numbers, shape=shape: numbers.values().reshape(shape),
            )
    return [Checkpoint(file.path.name, "openvino", [file, part], entries, left_out)]


def _is_grouped(id: str, layers: dict[str, Layer], edges: dict[str, list[tuple[str, str]]]) -> bool:
    """Whether a constant is the weights of a convolution in groups, at once or behind the operators of a scale."""
    for _ in range(5):
        readers = [layers[reader].kind for reader, _ in edges.get(id, ()) if reader in layers]
        if "GroupConvolution" in readers:
            return True
        if len(readers) != 1 or readers[0] not in STEPS:
            return False
        id = edges[id][0][0]
    return False


def _as_weights(shape: tuple[int, ...], *, is_grouped: bool) -> tuple[int, ...]:
    """Groups and outputs are one axis, as elsewhere; biases have one axis, whatever they are added to."""
    if is_grouped and len(shape) > 2:
        return (shape[0] * shape[1], *shape[2:])
    long = [length for length in shape if length != 1]
    return tuple(long) if len(long) == 1 else shape


@dataclass(frozen=True)
class _Stored:
    """Numbers in the file beside the graph."""

    part: SafeFile
    name: str
    kind: str
    shape: tuple[int, ...]
    offset: int

    @classmethod
    def of(cls, file: SafeFile, part: SafeFile, layer: Layer) -> "_Stored":
        """As a layer says; raises a UserError if they are not there."""
        said, where = layer.said, f"{file.path}: constant {layer.name!r}"
        try:
            shape = tuple(int(length) for length in said.get("shape", "").split(",") if length.strip())
            offset, size = int(said["offset"]), int(said.get("size", "-1"))
        except ValueError:
            raise UserError(f"{where}: expected whole numbers for its shape, offset and size") from None
        check_elements(file.path, layer.name, shape)
        found = cls(part, layer.name, said.get("element_type", ""), shape, offset)
        if found.kind not in DTYPES:
            return found
        if found.size != size or offset < 0 or offset + size > part.size:
            raise UserError(
                f"{where} of shape {shape} takes {found.size:,} bytes, but {size:,} are said to be stored at "
                f"{offset:,} of {part.size:,} in {part.path.name}"
            )
        return found

    @property
    def dtype(self) -> np.dtype:
        """What it becomes in memory; of a type that is not known, none."""
        return np.dtype(DTYPES.get(self.kind, object))

    @property
    def size(self) -> int:
        """In bytes."""
        count = math.prod(self.shape)
        return -(-count // 2) if self.kind in HALVES else count * self.dtype.itemsize

    def values(self) -> np.ndarray:
        """The numbers."""
        found = np.fromfile(self.part.real, np.uint8, self.size, offset=self.offset)
        if self.kind in HALVES:
            found = np.stack([found & 15, found >> 4], axis=1).reshape(-1)[: math.prod(self.shape)]
            return found.view(self.dtype).astype(np.int8).reshape(self.shape)
        return found.view(self.dtype).reshape(self.shape)


def _graph(file: SafeFile) -> tuple[dict[str, Layer], dict[str, list[tuple[str, str]]]]:
    """The layers by their ids; and for each the layers that read it, and at which port."""
    if file.size > LIMITS.header_bytes:
        raise UserError(
            f"{file.path}: a graph of {file.size:,} bytes is over the limit of {LIMITS.header_bytes:,}"
        )
    layers: dict[str, Layer] = {}
    edges: dict[str, list[tuple[str, str]]] = {}
    last: list[Layer] = []
    count = itertools.count(1)

    def begin(tag: str, said: dict[str, str]) -> None:
        if tag == "layer":
            if next(count) > MOST_LAYERS:
                raise ValueError(f"more than {MOST_LAYERS:,} layers")
            last[:] = [Layer(said.get("name", "")[:1000], said.get("type", ""))]
            layers[said.get("id", "")] = last[0]
        elif tag == "data" and last and not last[0].said:
            last[0].said = said
        elif tag == "edge":
            reader = said.get("to-layer", ""), said.get("to-port", "")
            edges.setdefault(said.get("from-layer", ""), []).append(reader)

    def refuse(*_: object) -> None:
        raise ValueError("it declares a type of document, which no graph needs")

    parser = expat.ParserCreate()
    parser.StartElementHandler, parser.StartDoctypeDeclHandler = begin, refuse
    try:
        parser.Parse(file.real.read_bytes(), True)
    except (expat.ExpatError, ValueError) as error:
        raise UserError(f"{file.path}: broken graph of OpenVINO: {one_line(error)}") from None
    return layers, edges


def _scale(
    id: str, layers: dict[str, Layer], edges: dict, sources: dict, stored: dict[str, _Stored]
) -> dict[str, str]:
    """The constants that integers are multiplied by, and that are taken off before, by following their one reader."""
    if stored[id].kind not in (*HALVES, "i8", "u8", "f8e4m3", "f8e5m2"):
        return {}
    at, found = id, {}
    for kind, role in STEPS.items():
        readers = [
            reader
            for reader, port in edges.get(at, ())
            if layers.get(reader, Layer("", "")).kind == kind and (port == "0" or role != "zero")
        ]
        if len(readers) != 1:
            if role == "zero":
                continue
            return {}
        before, at = at, readers[0]
        if role:
            others = [
                _constant(source, stored, layers, sources) for source in sources[at] if source != before
            ]
            if len(others) != 1 or others[0] is None:
                return {}
            found[role] = others[0]
    return found


def _sources(edges: dict[str, list[tuple[str, str]]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for source, readers in edges.items():
        for reader, _ in readers:
            found.setdefault(reader, []).append(source)
    return found


def _constant(id: str, stored: dict, layers: dict[str, Layer], sources: dict[str, list[str]]) -> str | None:
    """A constant, or the one behind a conversion of its type."""
    if id not in stored and layers.get(id, Layer("", "")).kind == "Convert" and len(sources.get(id, ())) == 1:
        id = sources[id][0]
    return id if id in stored else None


def _dequantised(stored: dict[str, _Stored], id: str, parameters: dict[str, str]) -> np.ndarray:
    zero = stored[parameters["zero"]].values().astype(np.float32) if "zero" in parameters else None
    return scaled(stored[id].values(), stored[parameters["scale"]].values().astype(np.float32), zero)
