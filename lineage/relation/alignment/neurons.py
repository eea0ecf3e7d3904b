"""A child and a candidate side by side, with the orders of the candidate's units that are known so far."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from lineage.relation.alignment.axes import Group, Member, State, Structure, UnknownStructureError, positions
from lineage.relation.alignment.canonical import canonical_scale, unit_rows
from lineage.relation.tensor_names import heads

AS_GOOD = 0.9
"""A given order whose similarity is this share of the best one's is kept."""
MOST_NUMBERS = 1024
"""Numbers of a unit in one tensor that are looked at: more are thinned evenly."""
EXACT = 512
"""Up to so many units are matched exactly; of more, those that are each other's best are matched first. For a margin
at most so many are looked at, evenly."""
CLEAR = 4.0
"""A unit's best is clear if it is that much better than the next, in standard deviations of independent cosines."""


@dataclass
class Sides:
    """Both networks in canonical scale, under the child's names.

    ours, theirs: their structures, whose groups correspond; ignored: tensors that say nothing; orders: by group, of
    each of the child's units the candidate's.
    """

    child: State
    candidate: State
    ours: Structure
    theirs: Structure
    ignored: frozenset[str] = frozenset()
    orders: dict[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self):
        self._axes: dict[str, list[tuple[Group, Group, Member]]] = {}
        for ours, theirs in zip(self.ours.groups, self.theirs.groups, strict=True):
            for member in ours.members:
                self._axes.setdefault(member.tensor, []).append((ours, theirs, member))
        self._matched: dict[str, _Seen] = {}
        self._margins: dict[str, tuple[_Seen, np.ndarray, int, float]] = {}
        self._in_doubt: dict[str, np.ndarray] = {}

    def wide(self, group: Group) -> list[Member]:
        """The members that say more of a unit than one number."""
        return [
            member
            for member in group.members
            if self.child[member.tensor].ndim > 1 and member.tensor not in self.ignored
        ]

    def matchable(self) -> list[Group]:
        """The groups that have such members: more than the head tells their units apart."""
        return [group for group in self.ours.groups if self.wide(group)]

    def comparable(self) -> list[Group]:
        """Those of them of which the candidate has more than one unit, so that there is a margin."""
        sizes = {theirs.id: theirs.size for theirs in self.theirs.groups}
        return [group for group in self.matchable() if sizes[group.id] > 1]

    def known(self, group: Group) -> list[Member]:
        """Those of them that have known orders along all axes but the group's."""
        return [
            member
            for member in self.wide(group)
            if all(
                near.axis == member.axis or (found.id in self.orders and found.id != group.id)
                for found, _, near in self._axes[member.tensor]
            )
        ]

    def pair(self, member: Member, group: Group) -> tuple[np.ndarray, np.ndarray]:
        """The candidate's units and the child's in one tensor, [units, numbers] each.

        The axes that are not the group's are in the child's order.
        """
        candidate, child = self.candidate[member.tensor], self.child[member.tensor]
        own, along = slice(0), {axis: [] for axis in range(child.ndim) if axis != member.axis}
        for ours, theirs, near in self._axes[member.tensor]:
            offset = near.offset * theirs.size // ours.size
            if near == member:
                own = slice(offset, offset + theirs.size * near.each)
            elif near.axis != member.axis:
                place = replace(near, offset=offset)
                order = self.orders.get(ours.id, np.arange(ours.size))
                along[near.axis].append((offset, positions(place, order)))
        candidate = np.moveaxis(candidate, member.axis, 0)[own]
        child = np.moveaxis(child, member.axis, 0)
        child = child[member.offset : member.offset + group.size * member.each]
        for axis, (length, pieces) in enumerate(zip(child.shape[1:], along.values(), strict=True), start=1):
            ordered = [places for _, places in sorted(pieces, key=lambda piece: piece[0])]
            places = np.concatenate(ordered) if ordered else None
            if child.ndim == 2 and member.each == 1 and length > MOST_NUMBERS:
                chosen = _thinned(length, MOST_NUMBERS)
                child, places = child.take(chosen, axis), chosen if places is None else places[chosen]
            if places is not None:
                candidate = candidate.take(places, axis)
        candidate, child = (values.reshape(len(values) // member.each, -1) for values in (candidate, child))
        if child.shape[1] > MOST_NUMBERS:
            chosen = _thinned(child.shape[1], MOST_NUMBERS)
            candidate, child = candidate[:, chosen], child[:, chosen]
        return candidate, child

    def similarity(
        self, group: Group, members: Sequence[Member], rows: np.ndarray | slice = slice(None)
    ) -> np.ndarray:
        """The mean cosine of each of the child's units, or of some of them, and each of the candidate's.

        Raises:
            UnknownStructureError: where a cosine is not finite.
        """
        total, weights = 0.0, 0.0
        for member in members:
            candidate, child = self.pair(member, group)
            weight = np.sqrt(child.shape[1], dtype=np.float32)
            total += (weight * unit_rows(child[rows])) @ unit_rows(candidate).T
            weights += weight
        if not weights or not np.isfinite(np.sum(total)):
            raise UnknownStructureError(f"{group.id}: expected finite numbers of each unit, not all are")
        total /= weights
        return total

    def match(self, group: Group, members: Sequence[Member]) -> bool:
        """Matches a group's units; whether their order changed.

        An order that is nearly as good as the best is kept: the child's own where none is known.
        """
        before = self.orders.get(group.id)
        if self._is_seen(group, members):
            return False
        similarity, rows = self.similarity(group, members), np.arange(group.size)
        best = assigned(similarity)
        given = rows if before is None and similarity.shape[0] == similarity.shape[1] else before
        if given is not None:
            value, of_given = similarity[rows, best].sum(), similarity[rows, given].sum()
            if of_given >= (AS_GOOD if before is None else 1) * value - 1e-6:
                best = given
        if group.size > EXACT:
            enough = CLEAR / math.sqrt(sum(map(self._numbers, members)))
            self._in_doubt[group.id] = np.flatnonzero(clear(similarity, enough) != best)
        return self._reorder(group, best)

    def match_doubtful(self, group: Group, members: Sequence[Member]) -> bool:
        """Matches again, by more than before, the units that were in doubt; all where these are most, or few."""
        doubtful = self._in_doubt.get(group.id)
        if doubtful is None or group.id not in self.orders or len(doubtful) > group.size // 2:
            return self.match(group, members)
        if self._is_seen(group, members) or not len(doubtful):
            return False
        order = self.orders[group.id].copy()
        similarity = self.similarity(group, members, doubtful)
        free = np.setdiff1d(np.arange(similarity.shape[1]), np.delete(order, doubtful))
        order[doubtful] = free[assigned(similarity[:, free])]
        return self._reorder(group, order)

    def margin(self, group: Group, units: int = EXACT, members: Sequence[Member] | None = None) -> float:
        """By how much a unit is more similar to its own than to any other of the candidate, on average.

        Args:
            units: looked at, where there are more than EXACT; members: compared, by default all that are wide.
        """
        members, order = members or self.wide(group), self.orders[group.id]
        rows = np.arange(group.size)
        if group.size > EXACT:
            rows = _thinned(group.size, units)
        seen = self._seen(group, members)
        if known := self._margins.get(group.id):
            of, order_then, units_then, margin = known
            if order_then is order and units_then == len(rows) and seen.is_as(of):
                return margin
        similarity, places = self.similarity(group, members, rows), np.arange(len(rows))
        own = similarity[places, order[rows]].copy()
        similarity[places, order[rows]] = -np.inf
        margin = float((own - similarity.max(1)).mean())
        self._margins[group.id] = seen, order, len(rows), margin
        return margin

    def _reorder(self, group: Group, order: np.ndarray) -> bool:
        """Sets a group's order; whether it is another one."""
        before = self.orders.get(group.id)
        if before is not None and np.array_equal(order, before):
            return False
        self.orders[group.id] = order
        return True

    def _is_seen(self, group: Group, members: Sequence[Member]) -> bool:
        """Whether the group has its order from just these similarities; if not, it is about to."""
        seen, before = self._seen(group, members), self._matched.get(group.id)
        self._matched[group.id] = seen
        return before is not None and group.id in self.orders and seen.is_as(before)

    def _seen(self, group: Group, members: Sequence[Member]) -> "_Seen":
        """What a similarity by these members depends on."""
        near = [
            self.orders.get(ours.id)
            for member in members
            for ours, _, near in self._axes[member.tensor]
            if near.axis != member.axis
        ]
        return _Seen(tuple(members), self.candidate, near)

    def _numbers(self, member: Member) -> int:
        """How many of a unit's numbers in one tensor are looked at."""
        values = self.child[member.tensor]
        return min(values.size // values.shape[member.axis] * member.each, MOST_NUMBERS)


@dataclass(frozen=True)
class _Seen:
    """By which members, and with which orders of other groups, units were compared."""

    members: tuple[Member, ...]
    candidate: State
    orders: list[np.ndarray | None]

    def is_as(self, before: "_Seen") -> bool:
        return (
            self.candidate is before.candidate
            and self.members == before.members
            and all(own is their for own, their in zip(self.orders, before.orders, strict=True))
        )


def _thinned(length: int, most: int) -> np.ndarray:
    """So many places, evenly."""
    return np.linspace(0, length - 1, most).astype(int)


def sides_of(child: State, candidate: State, ours: Structure, theirs: Structure) -> Sides:
    """Both in canonical scale; heads, and tensors whose fixed axes differ, are left out of the matching."""
    free = {(member.tensor, member.axis) for group in ours.groups for member in group.members}
    ignored = set(heads({name: values.shape for name, values in child.items()}))
    for name, values in child.items():
        shape = candidate[name].shape if name in candidate else ()
        fixed = [axis for axis in range(values.ndim) if (name, axis) not in free]
        if len(shape) != values.ndim or any(values.shape[axis] != shape[axis] for axis in fixed):
            ignored.add(name)
    return Sides(
        canonical_scale(child, ours), canonical_scale(candidate, theirs), ours, theirs, frozenset(ignored)
    )


def assigned(similarity: np.ndarray) -> np.ndarray:
    """For each row, the column that it is matched with, so that the sum of similarities is largest.

    Args:
        similarity: [n, m], n <= m.
    """
    from scipy.optimize import linear_sum_assignment

    if len(similarity) <= EXACT:
        return linear_sum_assignment(similarity, maximize=True)[1]
    best, is_mutual = mutual(similarity)
    order = np.where(is_mutual, best, -1)
    left, free = np.flatnonzero(~is_mutual), np.setdiff1d(np.arange(similarity.shape[1]), best[is_mutual])
    order[left] = free[linear_sum_assignment(similarity[np.ix_(left, free)], maximize=True)[1]]
    return order


def mutual(similarity: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each row its best column, and whether it is that column's best row, of equal ones the first."""
    best = similarity.argmax(1)
    is_best = similarity[np.arange(len(best)), best] >= similarity.max(0)[best]
    rows = np.flatnonzero(is_best)
    is_mutual = np.zeros(len(best), bool)
    is_mutual[rows[np.unique(best[rows], return_index=True)[1]]] = True
    return best, is_mutual


def clear(similarity: np.ndarray, enough: float) -> np.ndarray:
    """For each row its best column, if that is mutual and enough more similar than any other column; else -1."""
    best, is_mutual = mutual(similarity)
    rows = np.arange(len(best))
    own = similarity[rows, best].copy()
    similarity[rows, best] = -np.inf
    is_clear = own - similarity.max(1) >= enough
    similarity[rows, best] = own
    return np.where(is_mutual & is_clear, best, -1)
