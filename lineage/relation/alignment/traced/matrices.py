"""Operators of ONNX that multiply: by a stored matrix or kernel, which gives new units, or of two values.

Source: onnx.ai/onnx/operators.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from lineage.relation.alignment.axes import Kind, Side
from lineage.relation.alignment.traced.shapes import window
from lineage.relation.alignment.traced.units import FIXED, Units
from lineage.relation.alignment.traced.values import (
    NotUnderstoodError,
    Trace,
    Value,
    active,
    along,
    axis_of,
    fixed,
    placed,
)
from lineage.types.graph import Operator


def _convolution(trace: Trace, operator: Operator, given: list[Value]) -> list[Value]:
    units, (x, kernel) = trace.units, given[:2]
    if kernel.tensor is None or len(kernel.axes) != len(x.shape):
        raise NotUnderstoodError
    channels = along(units, active(units, x), 1)
    is_transposed, parts = operator.kind == "ConvTranspose", operator.numbers.get("group", 1)
    if parts == 1:
        gives, takes = (1, 0) if is_transposed else (0, 1)
        units.tie(axis_of(units, kernel, takes, Side.TAKES), channels)
        outputs = axis_of(units, kernel, gives, Side.GIVES)
    elif parts == x.shape[1] == kernel.shape[0] and kernel.shape[1] == 1:
        gives, outputs = 0, axis_of(units, kernel, 0, Side.FOLLOWS)
        units.tie(outputs, channels)
        units.mark(outputs, None)
    else:
        units.tie(channels, FIXED)
        raise NotUnderstoodError
    _bias(units, given[2] if len(given) > 2 else None, outputs)
    found = placed((x.shape[0], len(outputs), *window(operator, x.shape, kernel.shape[2:])), 1, outputs)
    return [_remembered(trace, operator, found, kernel, gives)]


def _product(trace: Trace, operator: Operator, given: list[Value]) -> list[Value]:
    """MatMul and Gemm: of a value and a stored matrix, or of two values."""
    units, (some, second) = trace.units, given[:2]
    if operator.kind == "Gemm":
        some, second = (
            _turned(value) if operator.numbers.get(name) else value
            for value, name in ((some, "transA"), (second, "transB"))
        )
    if len(some.shape) < 2 or len(second.shape) < 2:
        raise NotUnderstoodError
    lead = np.broadcast_shapes(some.shape[:-2], second.shape[:-2])
    shape = (*lead, some.shape[-2], second.shape[-1])
    if second.tensor is not None and some.tensor is None and len(second.shape) == 2:
        found = _through(units, active(units, some), second, shape)
    elif some.tensor is not None and second.tensor is None and len(some.shape) == 2:
        swapped = _through(units, _swapped(active(units, second)), _turned(some), _swap(shape))
        found = _swapped(swapped)
    else:
        return [_of_two(units, active(units, some), active(units, second), shape)]
    if operator.kind == "Gemm" and found.varying:
        _bias(units, given[2] if len(given) > 2 else None, found.units.ravel())
    matrix = second if some.tensor is None else some
    gives = -1 if some.tensor is None else -2
    return [_remembered(trace, operator, found, matrix, gives)]


def _through(units: Units, value: Value, matrix: Value, shape: tuple[int, ...]) -> Value:
    """A value times a stored matrix [inputs, outputs]."""
    last = len(value.shape) - 1
    if value.varying and last not in value.varying:
        units.fix(matrix.tensor)
        return Value(shape, value.units)
    units.tie(axis_of(units, matrix, 0, Side.TAKES), along(units, value, last))
    return placed(shape, last, axis_of(units, matrix, 1, Side.GIVES))


def _of_two(units: Units, some: Value, second: Value, shape: tuple[int, ...]) -> Value:
    """Two values: queries and keys are tied along what they are summed over; of weights and values, values stay."""
    units.mark(some.units, None)
    units.mark(second.units, None)
    if len(some.shape) != len(second.shape):
        raise NotUnderstoodError
    rank = len(shape)
    summed, sums = rank - 1 in some.varying, rank - 2 in second.varying
    if summed and sums and rank - 2 not in some.varying and rank - 1 not in second.varying:
        units.tie(some.units, second.units.swapaxes(-1, -2))
        units.mark(some.units, Kind.QUERIES)
        return fixed(shape)
    if summed or sums or (some.varying and second.varying):
        raise NotUnderstoodError
    moving = second if second.varying else some
    if moving.varying:
        units.mark(moving.units, Kind.VALUES)
    return Value(shape, moving.units)


def _swap(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (*shape[:-2], shape[-1], shape[-2])


def _swapped(value: Value) -> Value:
    return Value(_swap(value.shape), value.units.swapaxes(-1, -2))


def _turned(value: Value) -> Value:
    if value.tensor is None:
        return _swapped(value)
    return replace(value, shape=_swap(value.shape), axes=(*value.axes[:-2], value.axes[-1], value.axes[-2]))


def _bias(units: Units, bias: Value | None, outputs: np.ndarray) -> None:
    if bias is None or not bias.long:
        return
    if bias.tensor is None or len(bias.long) > 1:
        raise NotUnderstoodError
    units.tie(axis_of(units, bias, bias.long[0], Side.FOLLOWS), outputs)
    units.biases.add(bias.tensor)


def _remembered(trace: Trace, operator: Operator, found: Value, matrix: Value, gives: int) -> Value:
    """What a matrix gives, if nothing else takes it; what follows may then undo its scale."""
    axis = matrix.axes[gives]
    if axis is None or not trace.is_taken_once(operator.outputs[0]):
        return found
    return replace(found, maker=(matrix.tensor, axis))


MATRICES: dict[str, Callable[..., list[Value]]] = {
    "Conv": _convolution,
    "ConvTranspose": _convolution,
    "MatMul": _product,
    "Gemm": _product,
}
