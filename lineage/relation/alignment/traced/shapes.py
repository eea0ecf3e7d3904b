"""Operators of ONNX that move places of values, cut them out or put them together, and the lengths they need."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from lineage.relation.alignment.axes import Kind, Side
from lineage.relation.alignment.traced.units import FIXED
from lineage.relation.alignment.traced.values import (
    MOST,
    MOST_NUMBERS,
    NotUnderstoodError,
    Trace,
    Value,
    active,
    axis_of,
    compressed,
    known,
    placed,
    reshaped,
)
from lineage.types.graph import Operator


def window(operator: Operator, shape: Sequence[int], kernel: Sequence[int]) -> tuple[int, ...]:
    """The places in space that a sliding kernel gives."""
    rank = len(kernel)
    strides, dilations = (operator.lists.get(name, [1] * rank) for name in ("strides", "dilations"))
    pads, auto = operator.lists.get("pads", [0] * 2 * rank), operator.texts.get("auto_pad", "NOTSET")
    found = []
    for axis, size in enumerate(shape[2:]):
        width = dilations[axis] * (kernel[axis] - 1) + 1
        if operator.kind == "ConvTranspose":
            more = operator.lists.get("output_padding", [0] * rank)[axis]
            found.append((size - 1) * strides[axis] + width + more - pads[axis] - pads[axis + rank])
        elif auto.startswith("SAME"):
            found.append(-(-size // strides[axis]))
        else:
            free = size + pads[axis] + pads[axis + rank] - width
            steps = free / strides[axis]
            found.append((math.ceil(steps) if operator.numbers.get("ceil_mode") else math.floor(steps)) + 1)
    if min(found, default=1) < 1:
        raise NotUnderstoodError
    return tuple(found)


def _numbers(value: Value | None) -> list[int]:
    if value is None or value.known is None:
        raise NotUnderstoodError
    return [int(number) for number in value.known.ravel()]


def _listed(operator: Operator, given: list[Value], name: str, place: int) -> list[int] | None:
    """Whole numbers that older versions have as an attribute and newer ones take."""
    if name in operator.lists:
        return list(operator.lists[name])
    return _numbers(given[place]) if len(given) > place and given[place] is not None else None


def _shape_of(trace: Trace, operator: Operator, given: list[Value]) -> list[Value]:
    shape = np.array(given[0].shape, np.int64)
    numbers = operator.numbers
    shape = shape[numbers.get("start", 0) : numbers.get("end", len(shape))]
    return [Value(shape.shape, known=shape)]


def _reshape(trace: Trace, operator: Operator, given: list[Value]) -> list[Value]:
    value, wanted = given[0], _numbers(given[1])
    shape = [value.shape[axis] if size == 0 else size for axis, size in enumerate(wanted)]
    if -1 in shape:
        rest = math.prod(size for size in shape if size != -1)
        shape[shape.index(-1)] = math.prod(value.shape) // max(rest, 1)
    if math.prod(shape) != math.prod(value.shape):
        raise NotUnderstoodError
    return [_any_reshaped(trace, value, tuple(shape))]


def _any_reshaped(trace: Trace, value: Value, shape: tuple[int, ...]) -> Value:
    try:
        return reshaped(value, shape)
    except NotUnderstoodError:
        return reshaped(active(trace.units, value), shape)


def _flatten(trace: Trace, operator: Operator, given: list[Value]) -> list[Value]:
    shape, axis = given[0].shape, operator.numbers.get("axis", 1)
    return [_any_reshaped(trace, given[0], (math.prod(shape[:axis]), math.prod(shape[axis:])))]


def _squeeze(trace: Trace, operator: Operator, given: list[Value]) -> list[Value]:
    shape, axes = given[0].shape, _listed(operator, given, "axes", 1)
    axes = [axis for axis, size in enumerate(shape) if size == 1] if axes is None else axes
    left = {axis % len(shape) for axis in axes}
    return [
        _any_reshaped(trace, given[0], tuple(size for axis, size in enumerate(shape) if axis not in left))
    ]


def _unsqueeze(trace: Trace, operator: Operator, given: list[Value]) -> list[Value]:
    shape, axes = list(given[0].shape), _listed(operator, given, "axes", 1)
    for axis in sorted(axis % (len(shape) + len(axes)) for axis in axes):
        shape.insert(axis, 1)
    return [_any_reshaped(trace, given[0], tuple(shape))]


def _transpose(trace: Trace, operator: Operator, given: list[Value]) -> list[Value]:
    value = given[0]
    order = operator.lists.get("perm", list(range(len(value.shape)))[::-1])
    return [
        Value(
            tuple(value.shape[axis] for axis in order),
            None if value.units is None else value.units.transpose(order),
            value.tensor,
            tuple(value.axes[axis] for axis in order) if value.axes else (),
            None if value.known is None else value.known.transpose(order),
        )
    ]


def _concatenate(trace: Trace, operator: Operator, given: list[Value]) -> list[Value]:
    """Side by side; units along other axes are tied."""
    if all(value.known is not None for value in given):
        found = np.concatenate([value.known for value in given], operator.numbers["axis"])
        return [known(found)]
    units, values = trace.units, [active(trace.units, value) for value in given]
    rank = len(values[0].shape)
    axis = operator.numbers["axis"] % rank
    shape = list(values[0].shape)
    shape[axis] = sum(value.shape[axis] for value in values)
    if not any(axis in value.varying or not value.varying for value in values):
        for value in values[1:]:
            units.tie(values[0].units, value.units)
            units.mark(value.units, Kind.STREAM)
        units.mark(values[0].units, None)
        return [Value(tuple(shape), values[0].units)]
    if not any(value.varying for value in values):
        for value in values:
            units.tie(value.units, FIXED)
        return [Value(tuple(shape), np.full([1] * rank, FIXED))]
    free = [near for near in range(rank) if any(near in value.varying for value in values)]
    if free != [axis]:
        raise NotUnderstoodError
    if shape[axis] > MOST:
        raise NotUnderstoodError
    parts = [np.broadcast_to(value.units.ravel(), value.shape[axis]) for value in values]
    return [placed(tuple(shape), axis, np.concatenate(parts))]


def _split(trace: Trace, operator: Operator, given: list[Value]) -> list[Value]:
    value, count = given[0], len(operator.outputs)
    axis = operator.numbers.get("axis", 0) % len(value.shape)
    sizes = _listed(operator, given, "split", 1)
    if sizes is None:
        each = -(-value.shape[axis] // count)
        sizes = [min(each, value.shape[axis] - each * place) for place in range(count)]
    if value.shape[axis] > MOST or sum(sizes) != value.shape[axis]:
        raise NotUnderstoodError(operator.kind)
    stops = np.cumsum(sizes)
    return [
        _taken(trace, value, axis, np.arange(stop - size, stop))
        for size, stop in zip(sizes, stops, strict=True)
    ]


def _cut(trace: Trace, operator: Operator, given: list[Value]) -> list[Value]:
    value = given[0]
    starts, stops = (_listed(operator, given, name, place) for name, place in (("starts", 1), ("ends", 2)))
    axes = _listed(operator, given, "axes", 3) or range(len(starts))
    steps = _listed(operator, given, "steps", 4) or [1] * len(starts)
    for start, stop, axis, step in zip(starts, stops, axes, steps, strict=True):
        if value.shape[axis] > MOST:
            raise NotUnderstoodError(operator.kind)
        places = np.arange(value.shape[axis])[slice(start, None if stop < -(2**31) else stop, step)]
        value = _taken(trace, value, axis % len(value.shape), places)
    return [value]


def _gather(trace: Trace, operator: Operator, given: list[Value]) -> list[Value]:
    """Rows of a table that nothing tells, or places that the graph names."""
    value, places = given
    axis = operator.numbers.get("axis", 0) % len(value.shape)
    shape = (*value.shape[:axis], *places.shape, *value.shape[axis + 1 :])
    if places.known is not None:
        found = _taken(trace, value, axis, places.known.ravel())
        return [_any_reshaped(trace, found, shape)]
    if value.tensor is None or axis or len(value.shape) != 2:
        raise NotUnderstoodError
    trace.units.tie(axis_of(trace.units, value, 0, Side.TAKES), np.array(FIXED))
    return [placed(shape, len(shape) - 1, axis_of(trace.units, value, 1, Side.GIVES))]


def _taken(trace: Trace, value: Value, axis: int, places: np.ndarray) -> Value:
    """Some places along an axis."""
    if value.known is not None:
        return known(value.known.take(places, axis))
    value = active(trace.units, value)
    shape = (*value.shape[:axis], len(places), *value.shape[axis + 1 :])
    if axis not in value.varying:
        return Value(shape, value.units)
    return Value(shape, compressed(value.units.take(places, axis)))


def _expand(trace: Trace, operator: Operator, given: list[Value]) -> list[Value]:
    """One example along the first axis stays one."""
    shape = np.broadcast_shapes(given[0].shape, tuple(_numbers(given[1])))
    if given[0].known is not None:
        return [known(np.broadcast_to(given[0].known, shape))]
    value = active(trace.units, given[0])
    more = len(shape) - len(value.shape)
    return [Value(shape, value.units.reshape([1] * more + list(value.units.shape)))]


def _filled(trace: Trace, operator: Operator, given: list[Value]) -> list[Value]:
    """Whole numbers that are all alike; what else fills values has no order."""
    shape = tuple(_numbers(given[0]))
    value = operator.numbers.get("value")
    if value is None or math.prod(shape) > MOST_NUMBERS:
        return [Value(shape, np.full([1] * len(shape), FIXED))]
    return [Value(shape, known=np.full(shape, value, np.int64))]


def _counted(trace: Trace, operator: Operator, given: list[Value]) -> list[Value]:
    start, stop, step = (_numbers(value)[0] for value in given)
    if abs(stop - start) > MOST_NUMBERS * abs(step):
        raise NotUnderstoodError
    return [known(np.arange(start, stop, step))]


def _padded(trace: Trace, operator: Operator, given: list[Value]) -> list[Value]:
    """Along axes on which units do not change."""
    value, pads = active(trace.units, given[0]), _listed(operator, given, "pads", 1)
    rank = len(value.shape)
    sizes = [pads[axis] + pads[axis + rank] for axis in range(rank)]
    if any(sizes[axis] for axis in value.varying) or len(pads) != 2 * rank:
        raise NotUnderstoodError
    return [
        replace(
            value, shape=tuple(size + more for size, more in zip(value.shape, sizes, strict=True)), maker=None
        )
    ]


def _triangle(trace: Trace, operator: Operator, given: list[Value]) -> list[Value]:
    """Zeros above or below a diagonal, as of a causal mask: of places on which units do not change."""
    value = active(trace.units, given[0])
    rank = len(value.shape)
    if any(axis >= rank - 2 for axis in value.varying):
        raise NotUnderstoodError
    return [Value(value.shape, value.units)]


SHAPING: dict[str, Callable] = {
    "Shape": _shape_of,
    "Reshape": _reshape,
    "Flatten": _flatten,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "Transpose": _transpose,
    "Concat": _concatenate,
    "Split": _split,
    "Slice": _cut,
    "Gather": _gather,
    "Expand": _expand,
    "ConstantOfShape": _filled,
    "Range": _counted,
    "Pad": _padded,
    "Trilu": _triangle,
}
