"""What is known of a value in a graph: its shape, the unit at each place, and small whole numbers themselves."""

import math
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from lineage.relation.alignment.axes import Side
from lineage.relation.alignment.traced.units import FIXED, Axis, Units

MOST = 2**24
"""Places of a value that are looked at one by one."""
MOST_NUMBERS = 4096
"""Whole numbers in one value that are known."""


class NotUnderstoodError(Exception):
    """What an operator does to the order of units is not known."""


class Trace(Protocol):
    """What an operator is handed of the trace."""

    units: Units

    def is_taken_once(self, name: str) -> bool:
        """Whether one operator alone takes a value."""


@dataclass(frozen=True)
class Value:
    """A value of a graph.

    shape: of one example; units: of each place, of length 1 along axes on which they do not change; tensor: the
    stored one that this is, whose axes `axes` are, None for an axis of length 1 that it lacks; known: whole numbers;
    maker: the axis of a matrix that gives just this.
    """

    shape: tuple[int, ...]
    units: np.ndarray | None = None
    tensor: str | None = None
    axes: tuple[int | None, ...] = ()
    known: np.ndarray | None = None
    maker: Axis | None = None

    @property
    def varying(self) -> list[int]:
        """The axes along which units change."""
        return [] if self.units is None else [axis for axis, size in enumerate(self.units.shape) if size > 1]

    @property
    def long(self) -> list[int]:
        """The axes with more than one place."""
        return [axis for axis, size in enumerate(self.shape) if size > 1]


def fixed(shape: tuple[int, ...]) -> Value:
    """A value none of whose places may change."""
    return Value(shape, np.full([1] * len(shape), FIXED))


def known(numbers: np.ndarray) -> Value:
    """Whole numbers, if they are few."""
    if numbers.size > MOST_NUMBERS:
        raise NotUnderstoodError
    return Value(numbers.shape, known=numbers)


def placed(shape: tuple[int, ...], axis: int, units: np.ndarray) -> Value:
    """A value whose units stand along one axis."""
    along = [1] * len(shape)
    along[axis] = -1
    return Value(shape, units.reshape(along))


def axis_of(units: Units, value: Value, axis: int, side: Side) -> np.ndarray:
    """The units along an axis of a stored tensor; those of an axis that it lacks are fixed."""
    own = value.axes[axis]
    return np.array([FIXED]) if own is None else units.of(value.tensor, own, side)


def active(units: Units, value: Value) -> Value:
    """A value with its units: those of a stored vector stand along its one long axis, more axes are fixed."""
    if value.units is not None:
        return value
    if value.tensor is None:
        return fixed(value.shape)
    if len(value.long) == 1:
        axis = value.long[0]
        return placed(value.shape, axis, axis_of(units, value, axis, Side.FOLLOWS))
    units.fix(value.tensor)
    return fixed(value.shape)


def along(units: Units, value: Value, axis: int) -> np.ndarray:
    """The units along an axis, if they change along no other one; else, all of them being fixed, those that are."""
    axis %= len(value.shape)
    if [near for near in value.varying if near != axis]:
        units.tie(value.units, np.array(FIXED))
        return np.array([FIXED])
    return value.units.ravel()


def reshaped(value: Value, shape: tuple[int, ...]) -> Value:
    """The same places in another shape."""
    if value.known is not None:
        return replace(value, shape=shape, known=value.known.reshape(shape))
    if value.units is None:
        return _stored(value, shape)
    if not value.varying:
        return Value(shape, np.full([1] * len(shape), value.units.ravel()[0]))
    if math.prod(value.shape) > MOST:
        raise NotUnderstoodError
    return Value(shape, compressed(np.broadcast_to(value.units, value.shape).reshape(shape)))


def _stored(value: Value, shape: tuple[int, ...]) -> Value:
    """A stored tensor with other axes of length 1."""
    long = [length for length in shape if length > 1]
    if [length for length in value.shape if length > 1] != long:
        raise NotUnderstoodError
    axes = iter([value.axes[axis] for axis in value.long])
    return replace(value, shape=shape, axes=tuple(next(axes) if length > 1 else None for length in shape))


def compressed(units: np.ndarray) -> np.ndarray:
    """Units, with length 1 along axes on which they do not change."""
    for axis in range(units.ndim):
        first = units.take([0], axis)
        if (units == first).all():
            units = first
    return units
