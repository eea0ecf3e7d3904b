"""What each operator of ONNX does to the units of what it takes.

Source: onnx.ai/onnx/operators. An operator gets the trace, itself and the values that it takes, and gives values.
"""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from lineage.relation.alignment.axes import Kind, Side
from lineage.relation.alignment.traced.matrices import MATRICES
from lineage.relation.alignment.traced.shapes import SHAPING, window
from lineage.relation.alignment.traced.units import FIXED, Units
from lineage.relation.alignment.traced.values import (
    NotUnderstoodError,
    Trace,
    Value,
    active,
    along,
    axis_of,
    fixed,
    known,
    placed,
)
from lineage.types.graph import Operator

Handler = Callable[..., list[Value]]
HOMOGENEOUS = {"Relu", "LeakyRelu", "Identity", "Dropout"}
ROUGH = {
    *("Sigmoid", "Tanh", "HardSigmoid", "HardSwish", "Erf", "Exp", "Log", "Sqrt", "Reciprocal", "Elu", "Selu"),
    *("Celu", "Softplus", "Softsign", "Mish", "Gelu", "Clip", "Neg", "Abs", "Sin", "Cos", "ThresholdedRelu"),
}  # fmt: skip
"""Activations; other scales of what they take change what they give by more than a scale."""


def _activation(trace: Trace, operator: Operator, given: list[Value]) -> list[Value]:
    value = given[0]
    if operator.kind in ("Identity", "Cast") and (value.units is None):
        return [value]
    value = active(trace.units, value)
    if operator.kind in ROUGH:
        trace.units.mark(value.units, None)
    return [replace(value, maker=None)] * len(operator.outputs)


def _elementwise(trace: Trace, operator: Operator, given: list[Value]) -> list[Value]:
    """Units at the same place are tied; what has one place along an axis says nothing of units along it."""
    if all(value.known is not None for value in given):
        return [known(np.asarray(KNOWN[operator.kind](*(value.known for value in given))))]
    units, shape = trace.units, np.broadcast_shapes(*(value.shape for value in given))
    values = [_widened(value, len(shape)) for value in given]
    moving = next((value for value in values if value.units is not None), None)
    if moving is None:
        values = [active(units, value) for value in values]
    else:
        values = [_beside(units, value, values) for value in values]
    found = values[0]
    for value in values[1:]:
        found = _together(units, found, value, operator.kind)
    if operator.kind not in ("Add", "Sub", "Sum"):
        units.mark(found.units, None)
    is_sum = sum(value.units is not None and value.tensor is None for value in given) > 1
    if operator.kind in ("Add", "Sum") and is_sum and found.varying:
        units.mark(found.units, Kind.STREAM)
    bias = next((value.tensor for value in given if value.tensor is not None), None)
    maker = next((value.maker for value in given if value.maker), None)
    if operator.kind == "Add" and bias is not None and maker:
        units.biases.add(bias)
        return [Value(shape, found.units, maker=maker)]
    return [Value(shape, found.units)]


def _widened(value: Value, rank: int) -> Value:
    """With axes of length 1 before the others."""
    more = rank - len(value.shape)
    return replace(
        value,
        shape=(1,) * more + value.shape,
        units=None if value.units is None else value.units.reshape((1,) * more + value.units.shape),
        axes=(None,) * more + value.axes,
    )


def _beside(units: Units, value: Value, values: list[Value]) -> Value:
    """A stored tensor beside values with units: along the axis on which theirs change it has its own."""
    if value.units is not None or value.tensor is None:
        return active(units, value)
    varying = {axis for beside in values if beside.units is not None for axis in beside.varying}
    tied = [axis for axis in value.long if axis in varying]
    if len(tied) != 1:
        return active(units, value) if len(value.long) == 1 else _all_fixed(units, value)
    for axis in value.long:
        if axis != tied[0]:
            units.tie(axis_of(units, value, axis, Side.FOLLOWS), FIXED)
    return placed(value.shape, tied[0], axis_of(units, value, tied[0], Side.FOLLOWS))


def _all_fixed(units: Units, value: Value) -> Value:
    units.fix(value.tensor)
    return fixed(value.shape)


def _together(units: Units, some: Value, second: Value, kind: str) -> Value:
    shape = np.broadcast_shapes(some.shape, second.shape)
    if not some.long or not second.long:
        return Value(shape, (second if not some.long else some).units)
    for moving, still in ((some, second), (second, some)):
        lacking = [axis for axis in moving.varying if still.shape[axis] == 1]
        if lacking and (lacking != moving.varying or still.varying):
            raise NotUnderstoodError
        if lacking:
            return Value(shape, moving.units)
    units.tie(some.units, second.units)
    broad = some if len(some.varying) >= len(second.varying) else second
    return Value(shape, broad.units)


def _batch_norm(trace: Trace, operator: Operator, given: list[Value]) -> list[Value]:
    units, value = trace.units, active(trace.units, given[0])
    channels = along(units, value, 1)
    for vector, power in zip(given[1:5], (0, 0, 1, 2), strict=True):
        if vector.tensor is None:
            raise NotUnderstoodError
        units.tie(axis_of(units, vector, 0, Side.FOLLOWS), channels)
        units.statistics[vector.tensor] = power
    if value.maker:
        units.normed.add(value.maker)
    return [replace(value, maker=None)] + [fixed((1,))] * (len(operator.outputs) - 1)


def _normalised(trace: Trace, operator: Operator, given: list[Value]) -> list[Value]:
    """Over all units at once, or each unit by itself."""
    units, value = trace.units, active(trace.units, given[0])
    rank, numbers = len(value.shape), operator.numbers
    if operator.kind == "InstanceNormalization":
        axis, over = 1, range(2, rank)
    else:
        start = numbers.get("axis", -1) % rank
        axis, over = rank - 1, range(start, start + 1 if "oftmax" in operator.kind else rank)
    if len(value.varying) > 1 and any(place in over for place in value.varying):
        raise NotUnderstoodError
    units.mark(value.units, None)
    for vector in given[1:]:
        if vector is None:
            continue
        if vector.tensor is None or len(vector.shape) != 1:
            raise NotUnderstoodError
        own = axis_of(units, vector, 0, Side.FOLLOWS)
        units.tie(own, along(units, value, axis) if axis in value.varying else np.array(FIXED))
    return [replace(value, maker=None)] * len(operator.outputs)


def _reduced(trace: Trace, operator: Operator, given: list[Value]) -> list[Value]:
    """Over none of the axes along which units change, or over all of them."""
    units, value = trace.units, active(trace.units, given[0])
    rank = len(value.shape)
    axes = operator.lists.get("axes")
    if axes is None and len(given) > 1 and given[1] is not None:
        axes = given[1].known.ravel().tolist()
    axes = {int(axis) % rank for axis in (range(rank) if axes is None else axes)}
    inside = [axis for axis in value.varying if axis in axes]
    if inside and inside != value.varying:
        raise NotUnderstoodError
    units.mark(value.units, None)
    found = np.full([1] * rank, FIXED) if inside else value.units
    keeps = operator.numbers.get("keepdims", 1)
    shape = tuple(1 if axis in axes else size for axis, size in enumerate(value.shape))
    if keeps:
        return [Value(shape, found)]
    left = [axis for axis in range(rank) if axis not in axes]
    return [
        Value(tuple(shape[axis] for axis in left), found.reshape([found.shape[axis] for axis in left] or []))
    ]


def _pooled(trace: Trace, operator: Operator, given: list[Value]) -> list[Value]:
    """Places in space alone are pooled."""
    units, value = trace.units, active(trace.units, given[0])
    channels = along(units, value, 1)
    space = (
        (1,) * (len(value.shape) - 2)
        if operator.kind.startswith("Global")
        else window(operator, value.shape, operator.lists["kernel_shape"])
    )
    return [placed((*value.shape[:2], *space), 1, channels)] * len(operator.outputs)


def _dequantised(trace: Trace, operator: Operator, given: list[Value]) -> list[Value]:
    """Weights as they are stored, by a scale; the scale has no part."""
    if given[0].tensor is None and math.prod(given[1].shape) > 1:
        raise NotUnderstoodError
    return [given[0]]


KNOWN = {
    "Add": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "Div": lambda some, second: np.asarray(some) // np.where(np.asarray(second) == 0, 1, second),
    "Equal": np.equal,
    "Where": np.where,
    "Max": np.maximum,
    "Min": np.minimum,
    "Mod": lambda some, second: np.asarray(some) % np.where(np.asarray(second) == 0, 1, second),
}
"""Of whole numbers that are known; exporters divide and take remainders of lengths."""
OPERATORS: dict[str, Handler] = {
    **dict.fromkeys([*HOMOGENEOUS, *ROUGH, "Cast"], _activation),
    **dict.fromkeys([*KNOWN, "Pow", "Sum", "PRelu"], _elementwise),
    **dict.fromkeys(["MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool"], _pooled),
    **dict.fromkeys(
        ["LayerNormalization", "RMSNormalization", "InstanceNormalization", "Softmax", "LogSoftmax"], _normalised
    ),
    **dict.fromkeys(["ReduceMean", "ReduceSum", "ReduceMax", "ReduceL2", "ReduceSumSquare"], _reduced),
    "BatchNormalization": _batch_norm,
    "DequantizeLinear": _dequantised,
    **MATRICES,
    **SHAPING,
}  # fmt: skip
