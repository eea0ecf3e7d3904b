"""Neurons in coordinates that depend neither on their order nor on their scale.

Along axes whose order is fixed, as of pixels, positions and words, fixed random numbers are sent in: the probes. What
a layer's weights make of them describes its neurons, and is what is sent into the next layer, group by group, in the
order in which data pass. So a tensor's numbers in the coordinates of its axes are the same after neurons changed
places, and, with what neurons give at norm 1, after they were scaled.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from lineage.relation.alignment.axes import Group, Member, Shapes, Side, Structure, positions, scaled
from lineage.relation.alignment.canonical import SMALLEST, unit_rows

PROBES = 48
"""Numbers that describe a unit."""
PAIRS = 16
"""So many of them are multiplied by each other."""


@dataclass(frozen=True, eq=False)
class Seen:
    """A tensor in the coordinates of its axes.

    name: of the tensor; units: coordinates of the units that it gives to, or follows; outputs: what it makes of its
    inputs, both [units, PROBES]; products: of the first PAIRS coordinates of its inputs, summed over them.
    """

    name: str
    units: np.ndarray
    outputs: np.ndarray
    products: np.ndarray


class Coordinates:
    """The coordinates of a network's units, as far as its tensors have been looked at.

    Args:
        structure: its groups of axes; shapes: of its tensors by name.
        read: gives a tensor; each is asked for once.
        left_out: tensors that say nothing, such as the head.
    """

    def __init__(
        self,
        structure: Structure,
        shapes: Shapes,
        read: Callable[[str], np.ndarray],
        left_out: set[str],
    ):
        self._structure, self._shapes, self._read = structure, shapes, read
        self._axes: dict[tuple[str, int], list[tuple[Group, Member]]] = {}
        self._waiting: dict[str, list[Member]] = {group.id: [] for group in structure.groups}
        for group in structure.groups:
            for member in group.members:
                self._axes.setdefault((member.tensor, member.axis), []).append((group, member))
                is_wide = len(shapes[member.tensor]) > 1 and member.tensor not in left_out
                if is_wide and member.side is not Side.TAKES:
                    self._waiting[group.id].append(member)
        self._gains = {
            (taker.tensor, taker.axis): (taker, gain.weight)
            for gain in structure.gains
            for taker in gain.takers
        }
        self._factors: dict[str, np.ndarray] = {}
        self._units: dict[str, np.ndarray] = {}
        self._scales: dict[str, np.ndarray] = {}
        self._uses = Counter(member.tensor for members in self._waiting.values() for member in members)
        self._open: dict[str, np.ndarray] = {}

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
        others = [
            near.id
            for axis in range(len(self._shapes[member.tensor]))
            for near, place in self._axes.get((member.tensor, axis), [])
            if axis != member.axis
        ]
        is_known = group.id in self._units or member.side is Side.GIVES
        return is_known and all(id in self._units for id in others)

    def _of_group(self, group: Group, ready: list[Member]) -> Iterator[Seen]:
        found_of = [(member, self._outputs_of(member, group)) for member in ready]
        self._waiting[group.id] = [member for member in self._waiting[group.id] if member not in ready]
        if group.id not in self._units:
            sizes = [np.sqrt(np.square(outputs).sum()) for _, (outputs, _) in found_of]
            total = sum(
                outputs / max(size, SMALLEST) for (_, (outputs, _)), size in zip(found_of, sizes, strict=True)
            )
            self._units[group.id] = _standard(total)
        for member, (outputs, products) in found_of:
            yield Seen(member.tensor, self._units[group.id], outputs, products)

    def _outputs_of(self, member: Member, group: Group) -> tuple[np.ndarray, np.ndarray]:
        """What units, scalable ones at norm 1, get from the coordinates of other axes; and the products of these."""
        values, name = self._values(member.tensor), member.tensor
        sent_in = np.ones((1, PROBES), np.float32)
        for axis in range(values.ndim):
            if axis != member.axis:
                values = self._in_scale(values, name, axis)
                along = self._along(name, axis)
                sent_in = (sent_in[:, None, :] * along).reshape(-1, PROBES)
        rows = np.moveaxis(values, member.axis, 0)[positions(member, np.arange(group.size))]
        rows = rows.reshape(len(rows), -1)
        if member.power == 1:
            sizes = np.sqrt(np.square(rows.reshape(group.size, -1)).sum(1))
            self._scales.setdefault(group.id, sizes)
            rows = unit_rows(rows.reshape(group.size, -1)).reshape(rows.shape)
        outputs = rows @ sent_in
        outputs = (outputs.reshape(group.size, member.each, PROBES) * _probes(member.each, 0)).sum(1)
        return outputs, _products(sent_in)

    def _values(self, name: str) -> np.ndarray:
        """A tensor, which stays in memory until the last group that it gives to has seen it."""
        values = self._open.pop(name, None)
        if values is None:
            values = self._read(name)
        self._uses[name] -= 1
        if self._uses[name]:
            self._open[name] = values
        return values

    def _in_scale(self, values: np.ndarray, name: str, axis: int) -> np.ndarray:
        """A tensor that takes units' outputs as they are at norm 1, and norms' factors with it."""
        for group, member in self._axes.get((name, axis), []):
            if member.power == -1 and group.id in self._scales:
                values = scaled(values, member, self._scales[group.id])
        if gain := self._gains.get((name, axis)):
            taker, weight = gain
            if weight not in self._factors:
                self._factors[weight] = self._read(weight)
            values = scaled(values, taker, self._factors[weight])
        return values

    def _along(self, name: str, axis: int) -> np.ndarray:
        """The coordinates of all places of an axis: [length, PROBES]."""
        if (name, axis) not in self._axes:
            return _probes(self._shapes[name][axis], axis)
        found = np.zeros((self._shapes[name][axis], PROBES), np.float32)
        for group, member in self._axes[name, axis]:
            parts = self._units[group.id][:, None, :] * _probes(member.each, 0)
            found[positions(member, np.arange(group.size))] = parts.reshape(-1, PROBES)
        return found


@lru_cache(maxsize=256)
def _probes(length: int, axis: int) -> np.ndarray:
    """Fixed random numbers for the places of an axis: [length, PROBES]; 1 for the only place."""
    if length == 1:
        return np.ones((1, PROBES), np.float32)
    return np.random.default_rng([length, axis]).standard_normal((length, PROBES), np.float32)


def as_given(name: str, values: np.ndarray) -> Seen:
    """A tensor whose rows, at norm 1, have any order, and all other axes a fixed one."""
    rows = unit_rows(values.reshape(len(values), -1).astype(np.float32))
    probes = _probes(rows.shape[1], 1)
    outputs = rows @ probes
    return Seen(name, outputs, outputs, _products(probes))


def _products(inputs: np.ndarray) -> np.ndarray:
    return inputs[:, :PAIRS].T @ inputs[:, :PAIRS]


def _standard(units: np.ndarray) -> np.ndarray:
    """Each number at a mean square of 1 over units."""
    return units / np.maximum(np.sqrt(np.square(units).mean(0)), SMALLEST)
