"""Neurons in coordinates that depend neither on their order nor on their scale.

Along axes whose order is fixed, as of pixels, positions and words, fixed random numbers are sent in: the probes. What
a layer's weights make of them describes its neurons, and is what is sent into the next layer, group by group, in the
order in which data pass. So a tensor's numbers in the coordinates of its axes are the same after neurons changed
places, and, with what neurons give at norm 1, after they were scaled.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from lineage.relation.alignment.axes import Group, Member, Shapes, Side, Structure, positions
from lineage.relation.alignment.canonical import SMALLEST, unit_rows

PROBES = 48
"""Numbers that describe a unit."""
PAIRS = 16
"""So many of them are multiplied by each other."""
LONGEST = 2**20
"""Tensors whose rows or columns are longer are left out: the numbers sent in, PROBES a place, would fill memory."""
SHORT = 2**13
"""Of more lengths than one up to this, the probes stay in memory."""


Send = Callable[[str, int, np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
"""Of a tensor's name, an axis, numbers for all other places [places, PROBES] and factors of these [places]: sums of
the tensor times factors and numbers [length, PROBES], and of the squares of the tensor times factors [length]."""


@dataclass(frozen=True, eq=False)
class Seen:
    """A tensor in the coordinates of its axes.

    name: of the tensor; units: coordinates of the units that it gives to, or follows; outputs: what it makes of its
    inputs, both [units, PROBES]; products: of the first PAIRS coordinates of its inputs, summed over them; depth: how
    many tensors the coordinates of its inputs come from, one after the other.
    """

    name: str
    units: np.ndarray
    outputs: np.ndarray
    products: np.ndarray
    depth: int = 0


class Coordinates:
    """The coordinates of a network's units, as far as its tensors have been looked at.

    Args:
        structure: its groups of axes; shapes: of its tensors by name.
        send: sends numbers into a tensor along all axes but one, see `Send`; each is asked for once.
        read: gives a vector, likewise.
        left_out: tensors that say nothing, such as the head.
    """

    def __init__(
        self,
        structure: Structure,
        shapes: Shapes,
        send: Send,
        read: Callable[[str], np.ndarray],
        left_out: set[str],
    ):
        self._structure, self._shapes, self._send, self._read = structure, shapes, send, read
        self._axes: dict[tuple[str, int], list[tuple[Group, Member]]] = {}
        self._waiting: dict[str, list[Member]] = {group.id: [] for group in structure.groups}
        for group in structure.groups:
            for member in group.members:
                self._axes.setdefault((member.tensor, member.axis), []).append((group, member))
                is_wide = is_sketched(shapes[member.tensor], member.axis)
                if is_wide and member.tensor not in left_out and member.side is not Side.TAKES:
                    self._waiting[group.id].append(member)
        self._gains = {
            (taker.tensor, taker.axis): (taker, gain.weight)
            for gain in structure.gains
            for taker in gain.takers
        }
        self._of_norms: dict[str, np.ndarray] = {}
        self._units: dict[str, np.ndarray] = {}
        self._scales: dict[str, np.ndarray] = {}
        self._depths: dict[str, int] = {}
        self._sent: dict[tuple[str, int], tuple[np.ndarray, np.ndarray]] = {}

    def tensors(self) -> Iterator[Seen]:
        """The tensors whose axes have coordinates; one of several groups, as an attention's fused input, for each."""
        found = True
        while found:
            found = False
            for group in self._structure.groups:
                ready = [member for member in self._waiting[group.id] if self._is_ready(member, group)]
                if ready:
                    found = True
                    yield from self._of_group(group, ready)

    def _is_ready(self, member: Member, group: Group) -> bool:
        """Whether the orders of the tensor's other axes have coordinates."""
        is_known = group.id in self._units or member.side is Side.GIVES
        return is_known and all(id in self._units for id in self._inputs(member))

    def _inputs(self, member: Member) -> list[str]:
        """The groups of a tensor's other axes."""
        return [
            near.id
            for axis in range(len(self._shapes[member.tensor]))
            for near, _ in self._axes.get((member.tensor, axis), [])
            if axis != member.axis
        ]

    def _of_group(self, group: Group, ready: list[Member]) -> Iterator[Seen]:
        found_of = [(member, self._outputs_of(member, group)) for member in ready]
        self._waiting[group.id] = [member for member in self._waiting[group.id] if member not in ready]
        if group.id not in self._units:
            sizes = [np.sqrt(np.square(outputs).sum()) for _, (outputs, _) in found_of]
            total = sum(
                outputs / max(size, SMALLEST) for (_, (outputs, _)), size in zip(found_of, sizes, strict=True)
            )
            self._units[group.id] = _standard(total)
            self._depths[group.id] = 1 + max(self._depth(member) for member in ready)
        for member, (outputs, products) in found_of:
            yield Seen(member.tensor, self._units[group.id], outputs, products, self._depth(member))

    def _depth(self, member: Member) -> int:
        return max((self._depths[id] for id in self._inputs(member)), default=0)

    def _outputs_of(self, member: Member, group: Group) -> tuple[np.ndarray, np.ndarray]:
        """What units, scalable ones at norm 1, get from the coordinates of other axes; and the products of these."""
        name = member.tensor
        inputs, factors = np.ones((1, PROBES), np.float32), np.ones(1, np.float32)
        for axis in range(len(self._shapes[name])):
            if axis != member.axis:
                inputs = (inputs[:, None, :] * self._along(name, axis)).reshape(-1, PROBES)
                factors = np.outer(factors, self._factors(name, axis)).ravel()
        if (name, member.axis) not in self._sent:
            self._sent[name, member.axis] = self._send(name, member.axis, inputs, factors)
        outputs, squares = self._sent[name, member.axis]
        places = positions(member, np.arange(group.size))
        outputs = outputs[places].reshape(group.size, member.each, PROBES)
        if member.power == 1:
            sizes = np.sqrt(squares[places].reshape(group.size, -1).sum(1))
            self._scales.setdefault(group.id, sizes)
            outputs = outputs / np.maximum(sizes, SMALLEST)[:, None, None]
        return (outputs * _probes(member.each, 0)).sum(1), _products(inputs)

    def _factors(self, name: str, axis: int) -> np.ndarray:
        """What places along an axis are multiplied by if units' outputs are at norm 1, and norms' factors are 1."""
        found = np.ones(self._shapes[name][axis], np.float32)
        for group, member in self._axes.get((name, axis), []):
            if member.power == -1 and group.id in self._scales:
                found[positions(member, np.arange(group.size))] *= np.repeat(
                    self._scales[group.id], member.each
                )
        if gain := self._gains.get((name, axis)):
            taker, weight = gain
            if weight not in self._of_norms:
                self._of_norms[weight] = self._read(weight)
            factors = self._of_norms[weight]
            found[positions(taker, np.arange(len(factors)))] *= np.repeat(factors, taker.each)
        return found

    def _along(self, name: str, axis: int) -> np.ndarray:
        """The coordinates of all places of an axis: [length, PROBES]."""
        if (name, axis) not in self._axes:
            return _probes(self._shapes[name][axis], axis)
        found = np.zeros((self._shapes[name][axis], PROBES), np.float32)
        for group, member in self._axes[name, axis]:
            parts = self._units[group.id][:, None, :] * _probes(member.each, 0)
            found[positions(member, np.arange(group.size))] = parts.reshape(-1, PROBES)
        return found


def is_sketched(shape: tuple[int, ...], axis: int) -> bool:
    """Whether a tensor is a matrix, unfolded along an axis, of at most LONGEST rows and columns."""
    return len(shape) > 1 and max(shape[axis], math.prod(shape[:axis] + shape[axis + 1 :])) <= LONGEST


def _probes(length: int, axis: int) -> np.ndarray:
    """Fixed random numbers for the places of an axis: [length, PROBES]; 1 for the only place."""
    if length == 1:
        return np.ones((1, PROBES), np.float32)
    return (_of_short if length <= SHORT else _of_long)(length, axis)


def _drawn(length: int, axis: int) -> np.ndarray:
    return np.random.default_rng([length, axis]).standard_normal((length, PROBES), np.float32)


_of_short, _of_long = lru_cache(maxsize=256)(_drawn), lru_cache(maxsize=1)(_drawn)


def as_given(values: np.ndarray) -> np.ndarray:
    """What rows, at norm 1, make of probes along all other axes, whose order is fixed: [rows, PROBES]."""
    rows = unit_rows(values.reshape(len(values), -1))
    return rows @ _probes(rows.shape[1], 1)


def seen_as_given(name: str, shape: tuple[int, ...], outputs: np.ndarray) -> Seen:
    """A tensor by what its rows make of the probes."""
    return Seen(name, outputs, outputs, _products(_probes(math.prod(shape[1:]), 1)))


def _products(inputs: np.ndarray) -> np.ndarray:
    return inputs[:, :PAIRS].T @ inputs[:, :PAIRS]


def _standard(units: np.ndarray) -> np.ndarray:
    """Each number at a mean square of 1 over units."""
    return units / np.maximum(np.sqrt(np.square(units).mean(0)), SMALLEST)
