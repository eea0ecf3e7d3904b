"""The tensors and the nodes of an ONNX graph, of the graphs in its nodes, and of its functions. Nothing is loaded.

Field numbers are those of onnx.proto.
"""

from dataclasses import dataclass, field

from lineage.checkpoints.files import LIMITS
from lineage.checkpoints.formats.protobuf import Message, signed

GRAPH, FUNCTIONS, NODES_OF_FUNCTION = 7, 25, 7
NODE, INITIALIZER = 1, 5
INPUT, OUTPUT, OP_TYPE, ATTRIBUTE, DOMAIN = 1, 2, 4, 5, 7
NAME, INTEGER, TENSOR, INNER, TENSORS, INNERS = 1, 3, 5, 6, 10, 11
DIMS, DATA_TYPE, TENSOR_NAME, RAW, EXTERNAL, LOCATION = 1, 2, 8, 9, 13, 14
NESTING = 16
DEQUANTISERS = {"DequantizeLinear": (0, 1, 2), "QLinearConv": (3, 4, 5), "QLinearMatMul": (3, 4, 5)}
"""Operators: which of their inputs are the quantised weights, the scale and the zero point."""
RECURRENT = {"LSTM", "GRU"}
"""Operators whose second and third input are the weights of the inputs and those of the neurons."""
BLOCKED = "com.microsoft.nchwc"
"""The domain of convolutions whose weights ONNX Runtime has woven for the processor that it ran on."""
OF_INTEREST = {*DEQUANTISERS, *RECURRENT, "MatMulNBits"}


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
    """An operator: its kind, the names that it reads, and its numbers by name."""

    kind: str
    inputs: list[str]
    numbers: dict[str, int]


@dataclass
class Contents:
    """What a model holds: tensors by name, in order, how many have each name, the nodes that say what some of them
    are, and the names of weights that are woven for one processor."""

    tensors: dict[str, Tensor] = field(default_factory=dict)
    nodes: list[Node] = field(default_factory=list)
    named: dict[str, int] = field(default_factory=dict)
    woven: set[str] = field(default_factory=set)

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
            for inner, node in value.fields():
                if inner == NODES_OF_FUNCTION and isinstance(node, Message):
                    _node(node, found, 0)
    return found


def _graph(graph: Message, found: Contents, depth: int) -> None:
    if depth > NESTING:
        raise ValueError(f"graphs nest deeper than {NESTING}")
    for number, value in graph.fields():
        if number == INITIALIZER and isinstance(value, Message):
            tensor = tensor_of(value)
            found.add(tensor.name, tensor)
        elif number == NODE and isinstance(value, Message):
            _node(value, found, depth)


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
    numbers = {}
    for attribute in attributes:
        name = ""
        for number, value in attribute.fields():
            if number == NAME and isinstance(value, Message):
                name = value.text()
            elif number == INTEGER and isinstance(value, int):
                numbers[name] = signed(value)
            elif number in (TENSOR, TENSORS) and isinstance(value, Message):
                tensor = tensor_of(value)
                found.add(outputs[0] if outputs and kind == "Constant" else tensor.name or name, tensor)
            elif number in (INNER, INNERS) and isinstance(value, Message):
                _graph(value, found, depth + 1)
    if domain == BLOCKED:
        found.woven.update(inputs[1:2])
    if kind in OF_INTEREST:
        found.nodes.append(Node(kind, inputs, numbers))


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
