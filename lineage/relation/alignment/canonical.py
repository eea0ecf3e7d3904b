"""A scale that is the same for all networks of one function: what neurons give has norm 1, norms' factors are 1."""

from collections.abc import Mapping

import numpy as np

from lineage.relation.alignment.axes import Group, Member, State, Structure, positions, scaled
from lineage.relation.alignment.disguises import move_gain, without_gains

SMALLEST = 1e-12


def canonical_scale(state: State, structure: Structure) -> dict[str, np.ndarray]:
    """The state with each scalable unit at norm 1, in the order in which data pass; see `scales`."""
    return _canonical(state, structure)[0]


def scales(state: State, structure: Structure) -> dict[str, np.ndarray]:
    """The norm that each unit of the scalable groups has, in canonical scale of the groups before: by group."""
    return _canonical(state, structure)[1]


def _canonical(state: State, structure: Structure) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    changed, norms = without_gains(state, structure), {}
    for group in structure.groups:
        givers = [member for member in group.members if member.power == 1 and changed[member.tensor].ndim > 1]
        if not givers:
            continue
        squares = [np.square(units(changed, member, group)).sum(1) for member in givers]
        norms[group.id] = np.maximum(np.sqrt(np.sum(squares, axis=0)), SMALLEST)
        if any(member.power == -1 for member in group.members):
            rescale(changed, group, 1 / norms[group.id])
            continue
        for member, square in zip(givers, squares, strict=True):
            factors = 1 / np.maximum(np.sqrt(square), SMALLEST)
            changed[member.tensor] = scaled(changed[member.tensor], member, factors)
    return changed, norms


def rescale(state: dict[str, np.ndarray], group: Group, factors: np.ndarray) -> None:
    """Multiplies each unit of a group by a factor, in place, so that the network's function stays."""
    for member in group.members:
        if member.power:
            state[member.tensor] = scaled(state[member.tensor], member, factors**member.power)


def in_scale(state: State, structure: Structure, factors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The state with units and norms multiplied, so that the network's function stays.

    Args:
        factors: of units by their group, of norms by their weight.
    """
    changed = dict(state)
    for group in structure.groups:
        if group.id in factors:
            rescale(changed, group, factors[group.id])
    for gain in structure.gains:
        if gain.weight in factors:
            move_gain(changed, gain, factors[gain.weight])
    return changed


def units(state: State, member: Member, group: Group) -> np.ndarray:
    """A member's part of its tensor, unit by unit: [units, numbers]."""
    values = np.moveaxis(state[member.tensor], member.axis, 0)
    return values[positions(member, np.arange(group.size))].reshape(group.size, -1)


def unit_rows(values: np.ndarray) -> np.ndarray:
    """Rows of norm 1; those of zeros stay."""
    norms = np.sqrt(np.einsum("ij,ij->i", values, values))
    return values / np.maximum(norms, SMALLEST)[:, None]
