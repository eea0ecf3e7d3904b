"""A candidate in the order, scale and rotation of a child, and what had to be undone for that.

Only as much as is needed: a group of units that is in the child's order keeps it, and so does a scale.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from lineage.relation.alignment.axes import (
    State,
    Structure,
    UnknownStructureError,
    check_alike,
    reordered,
    shapes_of,
)
from lineage.relation.alignment.blocks import named_alike
from lineage.relation.alignment.canonical import SMALLEST, rescale, scales
from lineage.relation.alignment.disguises import move_gain, turned, without_gains
from lineage.relation.alignment.search import ascend, outwards, search_turned
from lineage.relation.alignment.sides import Sides, sides_of
from lineage.relation.alignment.structure import structure_of
from lineage.relation.naming import canonical
from lineage.relation.permutation_test import RowTest, combined

PLAUSIBLE = 0.08
"""A margin below this after the first pass is no relation: nothing more is tried. Such groups stay as they are."""
RESCALED = 0.6
"""Units were scaled where the middle four fifths of their log scales spread wider; training spreads them less."""
MOVED, BACKWARDS = 0.1, 0.02
"""Units are in another order where a larger share has another place; of fewer units, where more steps go back."""


class Undone(StrEnum):
    """What was undone to a group of units."""

    REORDERED = "reordered"
    RESCALED = "rescaled"
    THINNED = "thinned"


@dataclass(frozen=True, kw_only=True)
class Alignment:
    """A candidate aligned with a child.

    tensors: the candidate's, under the child's names and in its order and scale; margin: by how much a unit is more
    similar to its own than to any other of the candidate, the median over groups; tests: of tensors that had no part
    in the matching; undone: by group; is_turned: whether a rotation was undone; left_out: blocks of the candidate
    that the child lacks.
    """

    tensors: Mapping[str, np.ndarray]
    margin: float
    tests: Mapping[str, RowTest]
    undone: Mapping[str, Sequence[Undone]]
    is_turned: bool
    left_out: int

    @property
    def log10_p(self) -> float | None:
        """log10 of a p-value of the tests for at least two dependent tensors; None of fewer than two."""
        found = [test.log10_p for test in self.tests.values()]
        return combined(found) if len(found) > 1 else None


def align(child: State, candidate: State) -> Alignment:
    """Aligns a candidate with a child.

    Args:
        child, candidate: tensors by name; the candidate's names are the child's, but for wrappers and the numbers of
            blocks.

    Raises:
        UnknownStructureError: where their axes are not known, or do not correspond.
    """
    names = {canonical(name): name for name in child}
    child = {name: child[full] for name, full in names.items()}
    ours = structure_of(shapes_of(child))
    named, left_out = named_alike(
        child, {canonical(name): values for name, values in candidate.items()}, ours
    )
    theirs = structure_of(shapes_of(named))
    check_alike(ours, theirs)
    sides = sides_of(child, named, ours, theirs)
    tests, turn = outwards(sides), None
    if _median(sides) >= PLAUSIBLE:
        ascend(sides)
    elif ours.is_rotatable and theirs.is_rotatable:
        turn, tests = search_turned(sides)
        named = turned(without_gains(named, theirs), theirs, turn)
    margin = _median(sides)
    unmatched = _left_as_given(sides)
    tensors, undone = dict(reordered(named, theirs, sides.orders)), _orders(sides)
    _into_scale(child, tensors, ours, undone, unmatched)
    return Alignment(
        tensors={names[name]: values for name, values in tensors.items()},
        margin=margin,
        tests=tests,
        undone={id: tuple(done) for id, done in undone.items() if done},
        is_turned=turn is not None,
        left_out=left_out,
    )


def _median(sides: Sides) -> float:
    margins = [sides.margin(group) for group in sides.comparable()]
    if not margins:
        raise UnknownStructureError("nothing but its head tells units of a layer apart")
    return float(np.median(margins))


def _left_as_given(sides: Sides) -> set[str]:
    """Groups that do not align, as of new layers; they get their given order back where sizes are the same.

    So do those of which the head alone says anything.
    """
    matched = {group.id for group in sides.matchable()}
    found = {group.id for group in sides.ours.groups} - matched
    found |= {group.id for group in sides.comparable() if sides.margin(group) < PLAUSIBLE}
    for own, theirs in zip(sides.ours.groups, sides.theirs.groups, strict=True):
        if own.id in found and own.size == theirs.size:
            sides.orders[own.id] = np.arange(own.size)
        elif own.id not in matched:
            raise UnknownStructureError(
                f"{own.id}: {own.size} of {theirs.size} units, and nothing but the head says which"
            )
    return found


def _orders(sides: Sides) -> dict[str, list[Undone]]:
    """Of each group, whether its units were in another order, or fewer."""
    found: dict[str, list[Undone]] = {}
    for own, theirs in zip(sides.ours.groups, sides.theirs.groups, strict=True):
        order = sides.orders[own.id]
        found[own.id] = [Undone.THINNED] if own.size < theirs.size else []
        is_whole = own.size == theirs.size
        is_moved = (order != np.arange(own.size)).mean() > MOVED
        if is_moved if is_whole else (np.diff(order) < 0).mean() > BACKWARDS:
            found[own.id].append(Undone.REORDERED)
    return found


def _into_scale(
    child: State,
    tensors: dict[str, np.ndarray],
    ours: Structure,
    undone: dict[str, list[Undone]],
    unmatched: Collection[str],
) -> None:
    """Gives the candidate's units the child's scales, in place, where these were changed by more than training."""
    own, theirs = scales(child, ours), scales(tensors, ours)
    for group in ours.groups:
        if (
            group.id in own
            and group.id not in unmatched
            and _is_rescaled(factors := own[group.id] / theirs[group.id])
        ):
            rescale(tensors, group, factors)
            undone[group.id].append(Undone.RESCALED)
    for gain in ours.gains:
        factors = np.abs(child[gain.weight]) / np.maximum(np.abs(tensors[gain.weight]), SMALLEST)
        if _is_rescaled(np.maximum(factors, SMALLEST)):
            move_gain(tensors, gain, factors)
            undone["norms"] = [Undone.RESCALED]


def _is_rescaled(factors: np.ndarray) -> bool:
    """Whether scales differ by more than training changes them; a few units may."""
    low, high = np.quantile(np.log(factors), (0.1, 0.9))
    return bool(high - low > RESCALED)
