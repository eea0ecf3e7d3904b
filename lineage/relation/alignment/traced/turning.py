"""Matrices that a graph takes with the inputs first, as exporters leave linear layers: as if they were turned."""

from dataclasses import replace

from lineage.types.graph import Graph, Operator


def with_outputs_first(graph: Graph) -> tuple[Graph, frozenset[str]]:
    """The graph of the same network whose matrices have the outputs first, and which of them were turned for that.

    Only matrices that nothing else takes, and no operator otherwise.
    """
    others = {name for operator in graph.operators for name in _others(operator)} | {*graph.outputs}
    turned = {name for operator in graph.operators if (name := _matrix(operator)) and name not in others}
    turned = {
        name for name in turned if len(graph.tensors.get(name, ())) == 2 and name not in graph.constants
    }
    operators = [
        replace(operator, kind="Gemm", numbers={**operator.numbers, "transB": 1})
        if _matrix(operator) in turned
        else operator
        for operator in graph.operators
    ]
    tensors = {name: shape[::-1] if name in turned else shape for name, shape in graph.tensors.items()}
    return replace(graph, operators=operators, tensors=tensors), frozenset(turned)


def _matrix(operator: Operator) -> str:
    """What an operator takes as a matrix [inputs, outputs]."""
    is_product = operator.kind == "MatMul" or (operator.kind == "Gemm" and not operator.numbers.get("transB"))
    return operator.inputs[1] if is_product and len(operator.inputs) > 1 else ""


def _others(operator: Operator) -> list[str]:
    """What it takes otherwise."""
    places = enumerate(operator.inputs)
    return [name for place, name in places if place != 1 or not _matrix(operator)]
