"""Units along the axes of tensors, and which of them a graph ties to each other.

Every place on an axis of a stored tensor is a unit of its own until an operator ties it to others: then they have to
change places together. Unit 0 stands for all that may not change places at all.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np

from lineage.relation.alignment.axes import Group, Kind, Member, Shapes, Side, UnknownStructureError

FIXED = 0
MOST_UNITS, MOST_TIES = 2**22, 2**26
"""A graph with more is none that was trained."""

Axis = tuple[str, int]


class Units:
    """The units of all axes, what they are tied to, and what happens to them.

    Args:
        shapes: of the stored tensors; shared: vectors that several operators take. Exporters store vectors of equal
            numbers once, so these tie nothing.
    """

    def __init__(self, shapes: Shapes, shared: Collection[str] = ()):
        self._shapes, self._shared = shapes, shared
        self._axes: dict[Axis, np.ndarray] = {}
        self.sides: dict[Axis, Side] = {}
        self._count, self._ties = 1, 0
        self._tied: list[tuple[np.ndarray, np.ndarray]] = []
        self._marked: dict[Kind | None, list[np.ndarray]] = {}
        self.statistics: dict[str, int] = {}
        self.biases: set[str] = set()
        self.normed: set[Axis] = set()

    def of(self, tensor: str, axis: int, side: Side) -> np.ndarray:
        """The units along an axis, of which a tensor has the side."""
        key = tensor, axis
        if tensor in self._shared:
            return self._new(self._shapes[tensor][axis])
        if key not in self._axes:
            self._axes[key] = self._new(self._shapes[tensor][axis])
        if self.sides.setdefault(key, side) is not side and Side.GIVES in (side, self.sides[key]):
            self.sides[key] = Side.GIVES
        return self._axes[key]

    def _new(self, length: int) -> np.ndarray:
        if length < 0:
            raise UnknownStructureError(f"its graph has an axis of {length} places")
        self._count += length
        if self._count > MOST_UNITS:
            raise UnknownStructureError(f"its graph has more than {MOST_UNITS:,} units")
        return np.arange(self._count - length, self._count)

    def fix(self, tensor: str) -> None:
        """No axis of a tensor may change its order."""
        for axis in range(len(self._shapes[tensor])):
            self.tie(self.of(tensor, axis, Side.FOLLOWS), np.array(FIXED))

    def tie(self, some: np.ndarray, others: np.ndarray | int) -> None:
        """Units that change places together, place by place."""
        others = np.asarray(others)
        if others.size == 1:
            some, others = some.ravel(), np.broadcast_to(others.ravel(), some.size)
        some, others = np.broadcast_arrays(some, others)
        self._ties += some.size
        if self._ties > MOST_TIES:
            raise UnknownStructureError(f"its graph has more than {MOST_TIES:,} ties between units")
        self._tied.append((some.ravel(), others.ravel()))

    def mark(self, units: np.ndarray, kind: Kind | None) -> None:
        """Units are of a kind; None: they may have no other scale."""
        self._marked.setdefault(kind, []).append(units.ravel())

    def groups(self) -> tuple[Group, ...]:
        """The axes that share an order, where units of one group have the same places on all of their axes."""
        if not self._tied:
            return ()
        together = self._together()
        marked = {kind: set(together[np.concatenate(some)].tolist()) for kind, some in self._marked.items()}
        return _Groups(self, self._axes, together, marked).found()

    def _together(self) -> np.ndarray:
        """For each unit, the number of those that it is tied to, directly or not."""
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        some, others = (np.concatenate(side) for side in zip(*self._tied, strict=True))
        graph = coo_array((np.ones(len(some), np.int8), (some, others)), (self._count, self._count))
        return connected_components(graph, directed=False)[1]


@dataclass
class _Groups:
    units: Units
    axes: Mapping[Axis, np.ndarray]
    together: np.ndarray
    marked: Mapping[Kind | None, set[int]]

    def found(self) -> tuple[Group, ...]:
        members, places = {}, self._places()
        for unit, of_unit in places.items():
            alike = frozenset((axis, len(found)) for axis, found in of_unit.items())
            members.setdefault(alike, []).append(unit)
        groups = [self._group([places[unit] for unit in units], units) for units in members.values()]
        return self._whole([group for group in groups if group is not None])

    def _places(self) -> dict[int, dict[Axis, list[int]]]:
        """Of each unit that may change places, where it stands on each of its axes."""
        places: dict[int, dict[Axis, list[int]]] = {}
        fixed = self.together[FIXED]
        for axis, units in self.axes.items():
            for place, unit in enumerate(self.together[units]):
                if unit != fixed:
                    places.setdefault(int(unit), {}).setdefault(axis, []).append(place)
        return places

    def _group(self, places: list[dict[Axis, list[int]]], units: list[int]) -> Group | None:
        """A group of units; None where they do not stand in one order on all of their axes."""
        members = []
        for axis in places[0]:
            found = _members(axis, np.array([of_unit[axis] for of_unit in places]), self.units.sides[axis])
            if found is None:
                return None
            members += found
        given = [member for member in members if member.side is Side.GIVES]
        if len(units) < 2 or not given:
            return None
        return Group(
            id=given[0].tensor + (f"[{given[0].offset}:]" if given[0].offset else ""),
            kind=self._kind(units),
            size=len(units),
            members=tuple(self._with_powers(members, units)),
        )

    def _is_marked(self, units: list[int], kind: Kind | None) -> bool:
        return not self.marked.get(kind, set()).isdisjoint(units)

    def _kind(self, units: list[int]) -> Kind:
        kinds = Kind.QUERIES, Kind.VALUES, Kind.STREAM
        return next((kind for kind in kinds if self._is_marked(units, kind)), Kind.INNER)

    def _with_powers(self, members: list[Member], units: list[int]) -> list[Member]:
        """The members with the powers of a unit's scale, where it may have any."""
        statistics, normed = self.units.statistics, self.units.normed
        makers = {
            (member.tensor, member.axis)
            for member in members
            if member.side is Side.GIVES or (member.tensor, member.axis) in normed
        }
        if makers <= normed:
            own = {tensor for tensor, _ in makers} | self.units.biases
            powers = {member: statistics.get(member.tensor, int(member.tensor in own)) for member in members}
            taken = {member: 0 for member in members if member.side is Side.TAKES}
            return [_with_power(member, (powers | taken)[member]) for member in members]
        if self._is_marked(units, None) or any(member.tensor in statistics for member in members):
            return members
        return [_with_power(member, -1 if member.side is Side.TAKES else 1) for member in members]

    def _whole(self, groups: list[Group]) -> tuple[Group, ...]:
        """The groups whose axes have no other places than those of groups."""
        while True:
            covered: dict[Axis, int] = {}
            for group in groups:
                for member in group.members:
                    key = member.tensor, member.axis
                    covered[key] = covered.get(key, 0) + group.size * member.each
            left = [
                group
                for group in groups
                if all(
                    covered[member.tensor, member.axis] == len(self.axes[member.tensor, member.axis])
                    for member in group.members
                )
            ]
            if len(left) == len(groups):
                return tuple(left)
            groups = left


def _with_power(member: Member, power: int) -> Member:
    return Member(member.tensor, member.axis, member.side, member.offset, member.each, power)


def _members(axis: Axis, places: np.ndarray, side: Side) -> list[Member] | None:
    """The parts of an axis where each unit has a run of places, unit after unit; None if there are others.

    Args:
        places: [units, places].
    """
    steps = (np.diff(places, axis=1) == 1).all(0)
    found, start = [], 0
    for stop in [*(np.flatnonzero(~steps) + 1), places.shape[1]]:
        run = places[:, start:stop]
        each, offset = run.shape[1], int(run[0, 0])
        if (run != offset + np.arange(len(run))[:, None] * each + np.arange(each)).any():
            return None
        found.append(Member(axis[0], axis[1], side, offset, each))
        start = stop
    return found
