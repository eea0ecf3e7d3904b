"""A child and a candidate side by side, with the orders of the candidate's units that are known so far."""

from dataclasses import dataclass, field

import numpy as np

from lineage.relation.alignment.axes import Group, Member, State, Structure, UnknownStructureError, positions
from lineage.relation.alignment.canonical import canonical_scale, unit_rows
from lineage.relation.tensor_names import heads

AS_GOOD = 0.9
"""A given order whose similarity is this share of the best one's is kept."""
MOST_NUMBERS = 1024
"""Numbers of a unit in one tensor that are looked at: more are thinned evenly."""
EXACT = 512
"""Up to so many units are matched exactly; of more, those that are each other's best are matched first."""


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
        values, own = self.candidate[member.tensor], np.arange(0)
        along: dict[int, list[tuple[int, np.ndarray]]] = {}
        for ours, theirs, near in self._axes[member.tensor]:
            offset = near.offset * theirs.size // ours.size
            place = Member(near.tensor, near.axis, near.side, offset=offset, each=near.each)
            if near == member:
                own = positions(place, np.arange(theirs.size))
            elif near.axis != member.axis:
                order = self.orders.get(ours.id, np.arange(ours.size))
                along.setdefault(near.axis, []).append((offset, positions(place, order)))
        for axis, pieces in along.items():
            ordered = [places for _, places in sorted(pieces, key=lambda piece: piece[0])]
            values = values.take(np.concatenate(ordered), axis)
        candidate = np.moveaxis(values, member.axis, 0)[own].reshape(len(own) // member.each, -1)
        child = np.moveaxis(self.child[member.tensor], member.axis, 0)
        child = child[positions(member, np.arange(group.size))].reshape(group.size, -1)
        if child.shape[1] > MOST_NUMBERS:
            chosen = np.linspace(0, child.shape[1] - 1, MOST_NUMBERS).astype(int)
            candidate, child = candidate[:, chosen], child[:, chosen]
        return candidate, child

    def similarity(self, group: Group, members: list[Member]) -> np.ndarray:
        """The mean cosine of each of the child's units and each of the candidate's: [units, units].

        Raises:
            UnknownStructureError: where a cosine is not finite.
        """
        total, weights = 0.0, 0.0
        for member in members:
            candidate, child = self.pair(member, group)
            weight = np.sqrt(child.shape[1])
            total = total + weight * (unit_rows(child) @ unit_rows(candidate).T)
            weights += weight
        if not weights or not np.isfinite(total).all():
            raise UnknownStructureError(f"{group.id}: expected finite numbers of each unit, not all are")
        return total / weights

    def match(self, group: Group, members: list[Member]) -> bool:
        """Matches a group's units; whether their order changed.

        An order that is nearly as good as the best is kept: the child's own where none is known.
        """
        similarity = self.similarity(group, members)
        best, rows, before = assigned(similarity), np.arange(group.size), self.orders.get(group.id)
        given = rows if before is None and similarity.shape[0] == similarity.shape[1] else before
        if given is not None:
            value, of_given = similarity[rows, best].sum(), similarity[rows, given].sum()
            if of_given >= (AS_GOOD if before is None else 1) * value - 1e-6:
                best = given
        self.orders[group.id] = best
        return before is None or not np.array_equal(best, before)

    def margin(self, group: Group) -> float:
        """By how much a unit is more similar to its own than to any other of the candidate, on average."""
        similarity, rows = self.similarity(group, self.wide(group)), np.arange(group.size)
        own = similarity[rows, self.orders[group.id]].copy()
        similarity[rows, self.orders[group.id]] = -np.inf
        return float((own - similarity.max(1)).mean())


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
    order = np.full(len(similarity), -1)
    best, best_of_column = similarity.argmax(1), similarity.argmax(0)
    mutual = best_of_column[best] == np.arange(len(similarity))
    order[mutual] = best[mutual]
    left, free = np.flatnonzero(~mutual), np.setdiff1d(np.arange(similarity.shape[1]), best[mutual])
    order[left] = free[linear_sum_assignment(similarity[np.ix_(left, free)], maximize=True)[1]]
    return order
