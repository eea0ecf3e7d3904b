"""Which axes of a network's tensors share an order: where one of them is permuted, all have to be."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from lineage.relation.tensor_names import canonical

State = Mapping[str, np.ndarray]
"""Tensors by name."""
Shapes = Mapping[str, tuple[int, ...]]


def shapes_of(state: State) -> dict[str, tuple[int, ...]]:
    """The shapes of tensors by name."""
    return {name: values.shape for name, values in state.items()}


class Kind(StrEnum):
    """What the units of a group are."""

    INNER = "neurons"
    STREAM = "residual stream"
    HEADS = "heads"
    QUERIES = "queries and keys"
    VALUES = "values"


class Side(StrEnum):
    """What a tensor does with a group's units."""

    GIVES = "gives"
    FOLLOWS = "follows"
    TAKES = "takes"


@dataclass(frozen=True)
class Member:
    """One axis, or a part of it, that has a group's order.

    tensor, axis: where; side: whether the tensor gives the units, follows them (biases, norms, depthwise kernels) or
    takes them; offset: where the part begins; each: places on the axis that one unit has; power: of a unit's scale,
    that this tensor is multiplied by.
    """

    tensor: str
    axis: int
    side: Side
    offset: int = 0
    each: int = 1
    power: int = 0


@dataclass(frozen=True, kw_only=True)
class Group:
    """Axes that share one order.

    id: the same in networks of one architecture; size: units; members: all axes that have their order.
    """

    id: str
    kind: Kind
    size: int
    members: tuple[Member, ...]

    @property
    def is_scalable(self) -> bool:
        """Whether each unit may have any positive scale."""
        return any(member.power for member in self.members)


@dataclass(frozen=True)
class Gain:
    """A norm's factors, which may as well stand in the matrices that take what it gives.

    norm: its tensors; takers: of the matrices, the axis that each takes it by.
    """

    norm: tuple[str, ...]
    takers: tuple[Member, ...]

    @property
    def weight(self) -> str:
        """The tensor of its factors."""
        return next(tensor for tensor in self.norm if canonical(tensor).endswith("weight"))


@dataclass(frozen=True, kw_only=True)
class Structure:
    """A network's groups, in the order in which data pass.

    gains: of its norms; variances: of BatchNorm; blocks: prefixes of names of the residual blocks, of which
    `removable` do without; is_rotatable: whether the residual stream may be rotated; is_traced: whether a graph
    says so, and not names.
    """

    groups: tuple[Group, ...]
    gains: tuple[Gain, ...] = ()
    variances: frozenset[str] = frozenset()
    blocks: tuple[str, ...] = ()
    removable: tuple[str, ...] = ()
    is_rotatable: bool = False
    is_traced: bool = False

    def of_kind(self, *kinds: Kind) -> list[Group]:
        """The groups of some kinds."""
        return [group for group in self.groups if group.kind in kinds]


class UnknownStructureError(ValueError):
    """Names and shapes are not those of a network whose axes are known; the message says where."""


def positions(member: Member, order: np.ndarray) -> np.ndarray:
    """The places of an axis that units in some order have: [units · each]."""
    return (member.offset + order[:, None] * member.each + np.arange(member.each)).ravel()


def reordered(state: State, structure: Structure, orders: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The state with each group's units in a new order, or with some of its units alone.

    Args:
        state: tensors of the structure; others stay as they are.
        orders: by group, the old place of each unit.
    """
    touched = {
        (member.tensor, member.axis)
        for group in structure.groups
        if group.id in orders
        for member in group.members
    }
    pieces: dict[tuple[str, int], list[tuple[int, np.ndarray]]] = {key: [] for key in touched}
    for group in structure.groups:
        order = np.asarray(orders.get(group.id, np.arange(group.size)))
        for member in group.members:
            if (member.tensor, member.axis) in touched:
                pieces[member.tensor, member.axis].append((member.offset, positions(member, order)))
    changed = dict(state)
    for (tensor, axis), found in pieces.items():
        places = [place for _, place in sorted(found, key=lambda piece: piece[0])]
        changed[tensor] = changed[tensor].take(np.concatenate(places), axis)
    return changed


def scaled(values: np.ndarray, member: Member, factors: np.ndarray) -> np.ndarray:
    """The tensor with the part of an axis that a member names multiplied, unit by unit.

    Args:
        values: the whole tensor; factors: [units].
    """
    whole = np.ones(values.shape[member.axis], np.result_type(values.dtype, np.float32))
    whole[positions(member, np.arange(len(factors)))] = np.repeat(factors, member.each)
    shape = [1] * values.ndim
    shape[member.axis] = -1
    return (values * whole.reshape(shape)).astype(values.dtype, copy=False)


def check(groups: Sequence[Group], shapes: Shapes) -> None:
    """Raises UnknownStructureError if an axis has not its group's size, or belongs to two groups."""
    covered: dict[tuple[str, int], int] = {}
    for group in groups:
        for member in group.members:
            if member.axis >= len(shapes.get(member.tensor, ())):
                raise UnknownStructureError(f"{member.tensor}: expected an axis {member.axis}, there is none")
            key = member.tensor, member.axis
            covered[key] = covered.get(key, 0) + group.size * member.each
    for (tensor, axis), length in covered.items():
        if shapes[tensor][axis] != length:
            raise UnknownStructureError(
                f"{tensor}: expected {length} on axis {axis}, as its neighbours have, got {shapes[tensor][axis]}"
            )


def check_alike(ours: Structure, theirs: Structure) -> None:
    """Raises UnknownStructureError unless each group corresponds, and has no more units or places in the child."""
    if [(group.id, group.kind) for group in ours.groups] != [
        (group.id, group.kind) for group in theirs.groups
    ]:
        raise UnknownStructureError("their layers do not correspond")
    for own, their in zip(ours.groups, theirs.groups, strict=True):
        if own.size > their.size:
            raise UnknownStructureError(
                f"{own.id}: {own.size} units in the child, {their.size} in the candidate"
            )
        each = {(member.tensor, member.axis): member.each for member in their.members}
        for member in own.members:
            if each.get((member.tensor, member.axis), member.each) < member.each:
                raise UnknownStructureError(
                    f"{member.tensor}: {member.each} places a unit in the child, "
                    f"{each[member.tensor, member.axis]} in the candidate"
                )
