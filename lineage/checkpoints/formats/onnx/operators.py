"""The operators of an ONNX graph, for what they say of the order of axes."""

import math

import numpy as np

from lineage.checkpoints.files import SafeFile
from lineage.checkpoints.formats.onnx.graph import Contents, Node, Tensor
from lineage.checkpoints.formats.onnx.values import dtype_name, values_of
from lineage.types.graph import Graph, Operator

MOST_CONSTANTS = 4096
"""Numbers of a tensor that may be lengths, places or axes."""


def graph_of(file: SafeFile, found: Contents) -> Graph | None:
    """The graph; None where there are others in it, two tensors of one name, or lengths that are missing."""
    stored = {
        name: tensor for name, tensor in found.tensors.items() if "#" not in name or name in found.named
    }
    nodes = [node for node in found.nodes if node.kind != "Constant" or not node.tensors]
    inside = {tensor.name or name for node in nodes for name, tensor in node.tensors.items()}
    if found.is_nested or any(found.named[name] > 1 for name in found.named.keys() - inside):
        return None
    stored = {name: tensor for name, tensor in stored.items() if name not in inside}
    try:
        constants = {
            name: _numbers(file, tensor) for name, tensor in stored.items() if _may_be_places(tensor)
        }
        operators = [_operator(file, node) for node in nodes]
    except ValueError:
        return None
    return Graph(
        operators=operators,
        inputs={name: _one_example(shape) for name, shape in found.inputs.items()},
        outputs=found.outputs,
        tensors={name: tuple(tensor.dims) for name, tensor in stored.items()},
        constants=constants,
    )


def _one_example(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Open lengths as 1: of the first axis, it is one example."""
    return tuple(max(1, length) for length in shape)


def _may_be_places(tensor: Tensor) -> bool:
    is_small = math.prod(tensor.dims) <= MOST_CONSTANTS and not tensor.is_external
    return is_small and dtype_name(tensor) in ("int64", "int32")


def _numbers(file: SafeFile, tensor: Tensor) -> np.ndarray:
    return values_of(file, tensor).astype(np.int64)


def _operator(file: SafeFile, node: Node) -> Operator:
    whole = {
        name: int(_numbers(file, tensor).ravel()[0])
        for name, tensor in node.tensors.items()
        if _may_be_places(tensor) and math.prod(tensor.dims)
    }
    kind = node.kind if node.is_standard else f"another {node.kind}"
    return Operator(kind, node.inputs, node.outputs, node.numbers | whole, node.lists, node.texts)
