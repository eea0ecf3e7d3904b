"""The tensors and the nodes of an ONNX graph, of the graphs in its nodes, and of its functions. Nothing is loaded.

Field numbers are those of onnx.proto.
"""

from dataclasses import dataclass, field

from lineage.checkpoints.files import LIMITS
from lineage.checkpoints.formats.protobuf import Message, signed

GRAPH, FUNCTIONS, NODES_OF_FUNCTION = 7, 25, 7
NODE, INITIALIZER, TAKEN, GIVEN = 1, 5, 11, 12
INPUT, OUTPUT, OP_TYPE, ATTRIBUTE, DOMAIN = 1, 2, 4, 5, 7
NAME, INTEGER, TEXT, TENSOR, INNER, INTEGERS, TENSORS, INNERS = 1, 3, 4, 5, 6, 8, 10, 11
TYPE_OF_VALUE, OF_TENSOR, SHAPE, LENGTH, LENGTH_VALUE = 2, 1, 2, 1, 1
DIMS, DATA_TYPE, TENSOR_NAME, RAW, EXTERNAL, LOCATION = 1, 2, 8, 9, 13, 14
NESTING, MOST_LISTED = 16, 65_536
DEQUANTISERS = {"DequantizeLinear": (0, 1, 2), "QLinearConv": (3, 4, 5), "QLinearMatMul": (3, 4, 5)}
"""Operators: which of their inputs are the quantised weights, the scale and the zero point."""
RECURRENT = {"LSTM", "GRU"}
"""Operators whose second and third input are the weights of the inputs and those of the neurons."""
BLOCKED = "com.microsoft.nchwc"
"""The domain of convolutions whose weights ONNX Runtime has woven for the processor that it ran on."""
STANDARD = ("", "ai.onnx")
"""The domain of ONNX' own operators."""


@dataclass
class Tensor:
    """A tensor in the file: shape and type, where its raw bytes lie, or in which file; `whole`: the message."""

    whole: Message
    name: str = ""
    dims: list[int] = field(default_factory=list)
    data_type: int = 0
    raw: Message | None = None
    is_external: bool = False
    external: dict[str, str] = field(default_factory=dict)


@dataclass
class Node:
    """An operator: its kind, the names that it reads and gives, and by name its whole numbers, lists of them, texts
    and tensors; is_standard: whether it is one of ONNX' own."""

    kind: str
    inputs: list[str]
    numbers: dict[str, int] = field(default_factory=dict)
    outputs: list[str] = field(default_factory=list)
    lists: dict[str, list[int]] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    tensors: dict[str, Tensor] = field(default_factory=dict)
    is_standard: bool = True


@dataclass
class Contents:
    """What a model holds: tensors by name, in order, how many have each name, the nodes of all graphs, and the names
    of weights that are woven for one processor; inputs, outputs: of the graph, shapes and names; is_nested: whether
    there are other graphs or functions."""

    tensors: dict[str, Tensor] = field(default_factory=dict)
    nodes: list[Node] = field(default_factory=list)
    named: dict[str, int] = field(default_factory=dict)
    woven: set[str] = field(default_factory=set)
    inputs: dict[str, tuple[int, ...]] = field(default_factory=dict)
    outputs: list[str] = field(default_factory=list)
    is_nested: bool = False

    def add(self, name: str, tensor: Tensor) -> None:
        """Adds a tensor; a second one of the same name gets a number."""
        if len(self.tensors) >= LIMITS.tensors:
            raise ValueError(f"more than {LIMITS.tensors:,} tensors")
        self.named[name] = count = self.named.get(name, 0) + 1
        self.tensors[name if count == 1 else f"{name}#{count}"] = tensor


def contents_of(model: Message) -> Contents:
    """Everything in a model.

    Raises:
        ValueError: for what is no ONNX, is truncated, or nests too deep.
    """
    found = Contents()
    for number, value in model.fields():
        if number == GRAPH and isinstance(value, Message):
            _graph(value, found, 0)
        elif number == FUNCTIONS and isinstance(value, Message):
            found.is_nested = True
            for inner, node in value.fields():
                if inner == NODES_OF_FUNCTION and isinstance(node, Message):
                    _node(node, found, 0)
    return found


def _graph(graph: Message, found: Contents, depth: int) -> None:
    if depth > NESTING:
        raise ValueError(f"graphs nest deeper than {NESTING}")
    found.is_nested |= depth > 0
    for number, value in graph.fields():
        if number == INITIALIZER and isinstance(value, Message):
            tensor = tensor_of(value)
            found.add(tensor.name, tensor)
        elif number == NODE and isinstance(value, Message):
            _node(value, found, depth)
        elif number == TAKEN and isinstance(value, Message) and not depth:
            name, shape = _described(value)
            found.inputs[name] = shape
        elif number == GIVEN and isinstance(value, Message) and not depth:
            found.outputs.append(_described(value)[0])


def _described(value: Message) -> tuple[str, tuple[int, ...]]:
    """A value's name and shape, 0 for a length that is left open."""
    name, lengths = "", []
    for number, part in value.fields():
        if number == NAME and isinstance(part, Message):
            name = part.text()
        elif number == TYPE_OF_VALUE and isinstance(part, Message):
            shapes = [shape for kind in _parts(part, OF_TENSOR) for shape in _parts(kind, SHAPE)]
            lengths = [length for shape in shapes for length in _parts(shape, LENGTH)]
    if len(lengths) > 64:
        raise ValueError("a value of more than 64 axes")
    return name, tuple(
        next((signed(n) for number, n in length.fields() if number == LENGTH_VALUE and isinstance(n, int)), 0)
        for length in lengths
    )


def _parts(value: Message, wanted: int) -> list[Message]:
    return [part for number, part in value.fields() if number == wanted and isinstance(part, Message)]


def _node(node: Message, found: Contents, depth: int) -> None:
    inputs, outputs, attributes, kind, domain = [], [], [], "", ""
    for number, value in node.fields():
        if not isinstance(value, Message):
            continue
        if number == INPUT:
            inputs.append(value.text())
        elif number == OUTPUT:
            outputs.append(value.text())
        elif number == OP_TYPE:
            kind = value.text()
        elif number == DOMAIN:
            domain = value.text()
        elif number == ATTRIBUTE:
            attributes.append(value)
    operator = Node(kind, inputs, outputs=outputs, is_standard=domain in STANDARD)
    for attribute in attributes:
        name = ""
        for number, value in attribute.fields():
            if number == NAME and isinstance(value, Message):
                name = value.text()
            elif number == INTEGER and isinstance(value, int):
                operator.numbers[name] = signed(value)
            elif number == INTEGERS and (isinstance(value, int) or len(value) <= MOST_LISTED):
                listed = [value] if isinstance(value, int) else value.varints(MOST_LISTED)
                operator.lists.setdefault(name, []).extend(map(signed, listed))
            elif number == TEXT and isinstance(value, Message) and len(value) <= MOST_LISTED:
                operator.texts[name] = value.text()
            elif number in (TENSOR, TENSORS) and isinstance(value, Message):
                tensor = operator.tensors[name] = tensor_of(value)
                found.add(outputs[0] if outputs and kind == "Constant" else tensor.name or name, tensor)
            elif number in (INNER, INNERS) and isinstance(value, Message):
                _graph(value, found, depth + 1)
    if domain == BLOCKED:
        found.woven.update(inputs[1:2])
    found.nodes.append(operator)


def tensor_of(whole: Message) -> Tensor:
    """A tensor's description; its values stay where they are."""
    tensor = Tensor(whole)
    for number, value in whole.fields():
        if number == DIMS:
            tensor.dims += [value] if isinstance(value, int) else value.varints()
            if len(tensor.dims) > 64:
                raise ValueError("a tensor of more than 64 axes")
        elif number == DATA_TYPE and isinstance(value, int):
            tensor.data_type = value
        elif number == LOCATION:
            tensor.is_external = value == 1
        elif isinstance(value, int):
            continue
        elif number == TENSOR_NAME:
            tensor.name = value.text()
        elif number == RAW:
            tensor.raw = value
        elif number == EXTERNAL:
            key, said = _entry(value)
            tensor.external[key] = said
    tensor.dims = [signed(length) for length in tensor.dims]
    return tensor


def _entry(entry: Message) -> tuple[str, str]:
    parts = {number: value.text() for number, value in entry.fields() if isinstance(value, Message)}
    return parts.get(1, ""), parts.get(2, "")
