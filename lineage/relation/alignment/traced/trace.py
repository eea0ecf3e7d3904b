"""The structure of a network from its graph: units are tied as each operator passes them on.

An operator that is not understood fixes all that it takes and gives.
"""

from collections import Counter

import numpy as np

from lineage.relation.alignment.axes import Shapes, Structure, UnknownStructureError, check
from lineage.relation.alignment.traced.operators import OPERATORS
from lineage.relation.alignment.traced.units import FIXED, Units
from lineage.relation.alignment.traced.values import NotUnderstoodError, Value, active, fixed
from lineage.types.graph import Graph, Operator

OPEN = 1
"""The length of the first axis of an input where the file leaves it open: one example."""
FAILURES = (
    NotUnderstoodError,
    ValueError,
    IndexError,
    KeyError,
    TypeError,
    AttributeError,
    ArithmeticError,
    MemoryError,
    RuntimeError,
)


def traced(graph: Graph, shapes: Shapes) -> Structure:
    """The groups of axes that share an order.

    Args:
        shapes: of the tensors to be grouped, by name, as the graph has them.

    Raises:
        UnknownStructureError: if no two axes do.
    """
    groups = _Trace(graph, shapes).run()
    if not groups:
        raise UnknownStructureError("its graph shows no axes that share an order")
    check(groups, shapes)
    return Structure(groups=groups, is_traced=True)


class _Trace:
    def __init__(self, graph: Graph, shapes: Shapes):
        self._graph, self._shapes = graph, shapes
        self._taken = Counter(name for operator in graph.operators for name in operator.inputs)
        shared = {
            name
            for name, shape in graph.tensors.items()
            if sum(size > 1 for size in shape) <= 1 < self._taken[name]
        }
        self.units = Units(graph.tensors, shared)
        self._values: dict[str, Value | None] = {
            name: self._stored(name, shape) for name, shape in graph.tensors.items()
        }
        self._values |= {
            name: fixed(shape) for name, shape in graph.inputs.items() if name not in graph.tensors
        }

    def _stored(self, name: str, shape: tuple[int, ...]) -> Value:
        if name in self._graph.constants:
            return Value(shape, known=self._graph.constants[name])
        return Value(shape, tensor=name, axes=tuple(range(len(shape))))

    def run(self):
        for operator in self._graph.operators:
            self._pass(operator)
        for name in self._graph.outputs:
            self._fix(self._values.get(name))
        for name in self._graph.tensors:
            if name not in self._shapes and name not in self._graph.constants:
                self.units.fix(name)
        return self.units.groups()

    def _pass(self, operator: Operator) -> None:
        given = [self._values.get(name) if name else None for name in operator.inputs]
        try:
            if operator.kind not in OPERATORS or any(
                name and value is None for name, value in zip(operator.inputs, given, strict=True)
            ):
                raise NotUnderstoodError
            found = OPERATORS[operator.kind](self, operator, given)
        except FAILURES:
            for value in given:
                self._fix(value)
            return
        self._values |= dict(zip(operator.outputs, found, strict=False))

    def is_taken_once(self, name: str) -> bool:
        """Whether one operator alone takes a value."""
        return self._taken[name] == 1 and name not in self._graph.outputs

    def _fix(self, value: Value | None) -> None:
        if value is None:
            return
        if value.tensor is not None:
            self.units.fix(value.tensor)
        else:
            self.units.tie(active(self.units, value).units, np.array(FIXED))
