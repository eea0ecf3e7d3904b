"""A candidate in the order, scale and rotation of a child, and what had to be undone for that.

Only as much as is needed: a group of units that is in the child's order keeps it, and so does a scale.
"""

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

import numpy as np

from lineage.relation.alignment.axes import (
    State,
    Structure,
    UnknownStructureError,
    check_alike,
    reordered,
    shapes_of,
)
from lineage.relation.alignment.blocks import blocks_of, renamed
from lineage.relation.alignment.canonical import in_scale
from lineage.relation.alignment.disguises import turned, without_gains
from lineage.relation.alignment.neurons import EXACT, Sides, sides_of
from lineage.relation.alignment.rescaling import fitted, is_rescaled, ratios
from lineage.relation.alignment.search import FIRST_LOOK, ascend, may_be_turned, outwards, search_turned
from lineage.relation.alignment.structure import structure_of
from lineage.relation.alignment.traced.drawn import structure_like, structure_within
from lineage.relation.multiple_testing import combined
from lineage.relation.permutation_test import RowTest
from lineage.relation.tensor_names import canonical

PLAUSIBLE = 0.08
"""A margin below this after the first pass, or of each group that it begins with, is no relation: nothing more is
tried. Such groups stay as they are."""
SHUFFLES = 3
"""Of a candidate, that show what margin chance alone gives."""
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
    in the matching; undone: by group; ours, theirs: structures of both, by canonical names; blocks: of each of the
    child's the candidate's, empty where they are called alike; turn: of the candidate's residual stream; orders: by
    group; factors: of the candidate's scales, see `in_scale`.
    """

    tensors: Mapping[str, np.ndarray]
    margin: float
    tests: Mapping[str, RowTest]
    undone: Mapping[str, Sequence[Undone]]
    ours: Structure
    theirs: Structure
    left_out: int
    blocks: Mapping[str, str]
    turn: np.ndarray | None
    orders: Mapping[str, np.ndarray]
    factors: Mapping[str, np.ndarray]

    @property
    def is_turned(self) -> bool:
        """Whether a rotation was undone."""
        return self.turn is not None

    @property
    def log10_p(self) -> float | None:
        """log10 of a p-value of the tests for at least two dependent tensors; None of fewer than two."""
        found = [test.log10_p for test in self.tests.values()]
        return combined(found) if len(found) > 1 else None

    def is_undone_as(self, known: "Alignment") -> bool:
        """Whether the same was undone to another candidate; no two turns, and no two scales, are equal."""
        return (
            self.turn is known.turn is None
            and self.blocks == known.blocks
            and not self.factors
            and not known.factors
            and self.orders.keys() == known.orders.keys()
            and all(np.array_equal(order, known.orders[id]) for id, order in self.orders.items())
        )

    def in_own_scale(self, state: State) -> dict[str, np.ndarray]:
        """A state that is in the child's scale in the candidate's, where the two differ by more than training."""
        names = {canonical(name): name for name in state}
        plain = {name: state[full] for name, full in names.items()}
        back = {id: 1 / factors for id, factors in self.factors.items()}
        return {names[name]: values for name, values in in_scale(plain, self.ours, back).items()}


def align(child: State, candidate: State, drawn: Structure | None = None) -> Alignment:
    """Aligns a candidate with a child.

    Args:
        child, candidate: tensors by name; the candidate's names are the child's, but for wrappers and the numbers of
            blocks; drawn: the child's structure, if its graph shows one.

    Raises:
        UnknownStructureError: where their axes are not known, or do not correspond.
    """
    pair = _Pair(child, candidate, drawn)
    blocks = {} if drawn else blocks_of(pair.child, pair.candidate, pair.ours)
    sides, turn = pair.sides(blocks), None
    tests = outwards(sides, PLAUSIBLE)
    first = _median(sides, FIRST_LOOK)
    if first >= PLAUSIBLE:
        ascend(sides)
    elif may_be_turned(sides):
        turn, tests = search_turned(sides)
    is_given_up = any(group.id not in sides.orders for group in sides.matchable())
    margin = first if is_given_up else _median(sides)
    unmatched = _left_as_given(sides)
    return pair.alignment(sides, blocks, turn, margin=margin, tests=tests, unmatched=unmatched)


def margin_by_chance(child: State, candidate: State, drawn: Structure | None = None) -> float:
    """The largest margin of a child and a candidate whose numbers were shuffled within each matrix and kernel.

    Units that few numbers tell apart, and orders that no fixed axis anchors, fit each other by chance alone. Where a
    candidate's blocks are found by their values, shuffled ones may have none, and no margin. Arguments as of `align`.
    """
    drawing, margins = np.random.default_rng(0), []
    for _ in range(SHUFFLES):
        shuffled = {
            name: drawing.permutation(values.ravel()).reshape(values.shape) if values.ndim > 1 else values
            for name, values in candidate.items()
        }
        with suppress(UnknownStructureError):
            margins.append(align(child, shuffled, drawn).margin)
    return max(margins, default=-np.inf)


def align_as(child: State, candidate: State, known: Alignment) -> Alignment:
    """Aligns a candidate with a child by what was undone to another candidate.

    Args:
        child, candidate: tensors by name; known: of the other candidate, with the same child.

    Raises:
        UnknownStructureError: where the two candidates are not of one structure.
    """
    pair = _Pair(child, candidate, known.ours)
    sides = pair.sides(known.blocks)
    if sides.theirs != known.theirs:
        raise UnknownStructureError("the candidates are not of one structure")
    if known.turn is not None:
        sides.candidate = turned(sides.candidate, sides.theirs, known.turn)
    sides.orders |= known.orders
    return pair.alignment(
        sides, known.blocks, known.turn, margin=_median(sides), tests={}, scaled=known.factors
    )


class _Pair:
    """A child and a candidate by canonical names; ours: the child's structure, where it is known."""

    def __init__(self, child: State, candidate: State, ours: Structure | None):
        self._names = {canonical(name): name for name in child}
        self.child = {name: child[full] for name, full in self._names.items()}
        self.candidate = {canonical(name): values for name, values in candidate.items()}
        if ours and ours.is_traced:
            self.child = {name: values for name, values in self.child.items() if name in self.candidate}
            ours = structure_within(ours, self.child)
        self.ours = ours or structure_of(shapes_of(self.child))

    def sides(self, blocks: Mapping[str, str]) -> Sides:
        named = renamed(self.child, self.candidate, blocks)
        like = structure_like if self.ours.is_traced else lambda _, shapes: structure_of(shapes)
        theirs = like(self.ours, shapes_of(named))
        check_alike(self.ours, theirs)
        return sides_of(self.child, named, self.ours, theirs)

    def alignment(
        self,
        sides: Sides,
        blocks: Mapping[str, str],
        turn: np.ndarray | None,
        *,
        margin: float,
        tests: Mapping[str, RowTest],
        unmatched: Collection[str] = (),
        scaled: Mapping[str, np.ndarray] = MappingProxyType({}),
    ) -> Alignment:
        """The candidate in the orders that are known.

        Args:
            unmatched: groups that keep their scale; scaled: by how much the child was, beside a candidate that this
                one may be a relative of: it has these scales too where its own differ by no more than training does.
        """
        ours, theirs = sides.ours, sides.theirs
        named = renamed(self.child, self.candidate, blocks)
        if turn is not None:
            named = turned(without_gains(named, theirs), theirs, turn)
        tensors = reordered(named, theirs, sides.orders)
        sizes = ratios(self.child, tensors, ours)
        changed = {
            id: found
            for id, found in sizes.items()
            if id not in unmatched and is_rescaled(found / scaled.get(id, 1.0))
        }
        known = {id: found for id, found in scaled.items() if id not in changed}
        natural = in_scale(self.child, ours, {id: 1 / found for id, found in known.items()})
        factors = known | fitted(natural, tensors, ours, changed)
        undone = _orders(sides)
        for id in factors:
            undone.setdefault(id if id in undone else "norms", []).append(Undone.RESCALED)
        return Alignment(
            tensors={self._names[name]: values for name, values in in_scale(tensors, ours, factors).items()},
            margin=margin,
            tests=tests,
            undone={id: tuple(dict.fromkeys(done)) for id, done in undone.items() if done},
            ours=ours,
            theirs=theirs,
            left_out=self._left_out(blocks),
            blocks=blocks,
            turn=turn,
            orders=sides.orders,
            factors=factors,
        )

    def _left_out(self, blocks: Mapping[str, str]) -> int:
        return len(structure_of(shapes_of(self.candidate)).blocks) - len(blocks) if blocks else 0


def _median(sides: Sides, units: int = EXACT) -> float:
    """The median margin of the groups that have an order."""
    margins = [sides.margin(group, units) for group in sides.comparable() if group.id in sides.orders]
    if not margins:
        raise UnknownStructureError("nothing but its head tells units of a layer apart")
    return float(np.median(margins))


def _left_as_given(sides: Sides) -> set[str]:
    """Groups that do not align, as of new layers; they get their given order back where sizes are the same.

    So do those of which the head alone says anything.
    """
    matched = {group.id for group in sides.matchable()}
    found = {group.id for group in sides.ours.groups}
    if not (given_up := matched - sides.orders.keys()):
        found -= {group.id for group in sides.comparable() if sides.margin(group) >= PLAUSIBLE}
        found -= matched - {group.id for group in sides.comparable()}
    for own, theirs in zip(sides.ours.groups, sides.theirs.groups, strict=True):
        if own.id in given_up or (own.id in found and own.size == theirs.size):
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
