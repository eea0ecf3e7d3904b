"""Disguises: other weights for the same function, or for nearly the same one.

Neurons, the channels of a residual stream and heads may change places; neurons may be scaled where what takes them is
scaled back; a residual stream under RMSNorm may be rotated (Ashkboos et al. 2024, arXiv:2401.15024). Thinner layers
and fewer blocks change the function.
"""

import re
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from lineage.relation.alignment.axes import (
    Gain,
    Kind,
    Side,
    State,
    Structure,
    UnknownStructureError,
    reordered,
    scaled,
)
from lineage.relation.alignment.structure import structure_of

EPSILON = 1e-5
"""What BatchNorm adds to variances."""
SPREAD = 0.5
"""Standard deviation of the logarithm of a unit's scale."""
REMOVED = 0.25
"""Share of the neurons that thinning removes: those with the smallest weights."""

Disguised = tuple[dict[str, np.ndarray], int]
"""A state, and in how many places something was changed."""


def permuted(state: State, structure: Structure, draw: np.random.Generator) -> Disguised:
    """Neurons in another order."""
    return _shuffled(state, structure, draw, Kind.INNER)


def stream_permuted(state: State, structure: Structure, draw: np.random.Generator) -> Disguised:
    """The channels of residual streams in another order."""
    return _shuffled(state, structure, draw, Kind.STREAM)


def heads_permuted(state: State, structure: Structure, draw: np.random.Generator) -> Disguised:
    """Heads of attention in another order."""
    return _shuffled(state, structure, draw, Kind.HEADS)


def _shuffled(state: State, structure: Structure, draw: np.random.Generator, kind: Kind) -> Disguised:
    orders = {group.id: _another_order(group.size, draw) for group in structure.of_kind(kind)}
    return reordered(state, structure, orders), len(orders)


def _another_order(size: int, draw: np.random.Generator) -> np.ndarray:
    """A random order other than the given one."""
    order = draw.permutation(size)
    return np.roll(order, 1) if (order == np.arange(size)).all() else order


def rescaled(state: State, structure: Structure, draw: np.random.Generator) -> Disguised:
    """Neurons with other scales, which BatchNorm or what takes them undoes; and norms' factors likewise.

    Of neurons without a norm it keeps the function if their activation is a ReLU.
    """
    changed = dict(state)
    groups = [group for group in structure.groups if group.is_scalable]
    for group in groups:
        factors = np.exp(SPREAD * draw.standard_normal(group.size))
        for member in group.members:
            if member.power == 2:
                variance = changed[member.tensor].astype(np.float64) + EPSILON
                undone = variance * factors**2 - EPSILON
                changed[member.tensor] = np.maximum(undone, 0).astype(np.float32)
            elif member.power:
                changed[member.tensor] = scaled(
                    changed[member.tensor], member, factors ** float(member.power)
                )
    for gain in structure.gains:
        factors = np.exp(SPREAD * draw.standard_normal(len(state[gain.norm[0]])))
        move_gain(changed, gain, factors)
    return changed, len(groups) + len(structure.gains)


def move_gain(state: dict[str, np.ndarray], gain: Gain, factors: np.ndarray) -> None:
    """Multiplies a norm's factors, in place, and divides what takes them."""
    for tensor in gain.norm:
        state[tensor] = (state[tensor] * factors).astype(np.float32)
    for member in gain.takers:
        state[member.tensor] = scaled(state[member.tensor], member, 1 / factors)


def without_gains(state: State, structure: Structure) -> dict[str, np.ndarray]:
    """The factors of norms moved into the matrices that take what these give; they become 1."""
    changed = dict(state)
    for gain in structure.gains:
        factors = state[gain.weight].astype(np.float64)
        usable = np.where(np.abs(factors) > 1e-6, factors, 1.0)
        move_gain(changed, gain, 1 / usable)
    return changed


def rotated(state: State, structure: Structure, draw: np.random.Generator) -> Disguised:
    """The residual stream under RMSNorm rotated at random."""
    if not structure.is_rotatable:
        return dict(state), 0
    stream = structure.of_kind(Kind.STREAM)[0]
    turn, _ = np.linalg.qr(draw.standard_normal((stream.size, stream.size)))
    return turned(without_gains(state, structure), structure, turn), 1


def turned(state: State, structure: Structure, turn: np.ndarray) -> dict[str, np.ndarray]:
    """The residual stream x as turn @ x; norms have no factors."""
    norms = {tensor for gain in structure.gains for tensor in gain.norm}
    changed = dict(state)
    for member in structure.of_kind(Kind.STREAM)[0].members:
        if member.tensor not in norms:
            values = np.tensordot(turn.astype(np.float32), changed[member.tensor], (1, member.axis))
            changed[member.tensor] = np.moveaxis(values, 0, member.axis)
    return changed


def thinned(state: State, structure: Structure, draw: np.random.Generator) -> Disguised:
    """The quarter of neurons with the smallest weights removed; this changes the function."""
    orders = {}
    for group in structure.of_kind(Kind.INNER):
        sizes = np.zeros(group.size)
        for member in group.members:
            if member.side is Side.GIVES:
                sizes += np.square(state[member.tensor]).reshape(group.size, -1).sum(1)
        removed = int(REMOVED * group.size)
        orders[group.id] = np.sort(np.argsort(sizes)[removed:])
    return reordered(state, structure, orders), len(orders)


def shortened(state: State, structure: Structure, draw: np.random.Generator) -> Disguised:
    """One residual block removed, and those after it renumbered; this changes the function."""
    if not structure.removable:
        return dict(state), 0
    block = structure.removable[int(draw.integers(len(structure.removable)))]
    numbered = re.fullmatch(r"(.*?)(\d+)", block)
    if not numbered:
        raise UnknownStructureError(f"{block}: expected a block with a number, to close the gap it leaves")
    stem, number = numbered.groups()
    blocks = re.compile(rf"(^|.*\.){re.escape(stem)}(\d+)(\..*)")
    changed = {}
    for name, values in state.items():
        found = blocks.fullmatch(name)
        place = int(found[2]) if found else -1
        if place > int(number):
            name = f"{found[1]}{stem}{place - 1}{found[3]}"
        if place != int(number):
            changed[name] = values
    return changed, 1


HOW: Mapping[str, Callable[[State, Structure, np.random.Generator], Disguised]] = {
    "permute": permuted,
    "rescale": rescaled,
    "stream": stream_permuted,
    "rotate": rotated,
    "heads": heads_permuted,
    "thin": thinned,
    "shorten": shortened,
}
"""Disguises by name."""
CHANGING = ("thin", "shorten")
"""Those that change the function."""


def disguised(
    state: State, how: Sequence[str], draw: np.random.Generator, head_width: int | None = None
) -> dict[str, np.ndarray]:
    """The state under disguises, one after another.

    Args:
        state: tensors by name; how: names of HOW, of which `shorten` is done last.
        draw: random numbers; head_width: see `structure_of`.

    Raises:
        UnknownStructureError: if the axes that share an order are not known, or a disguise finds nothing to change.
    """
    changed = dict(state)
    for name in sorted(how, key=lambda name: name == "shorten"):
        structure = structure_of({name: values.shape for name, values in changed.items()}, head_width)
        changed, places = HOW[name](changed, structure, draw)
        if not places:
            raise UnknownStructureError(f"{name}: this network has nothing of the kind")
    return changed
