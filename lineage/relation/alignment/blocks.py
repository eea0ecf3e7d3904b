"""Which block of a candidate each block of a child is, where some were left out or changed places."""

import math
from collections.abc import Mapping

import numpy as np

from lineage.relation.alignment.axes import State, Structure, UnknownStructureError, check_alike, shapes_of
from lineage.relation.alignment.neurons import sides_of
from lineage.relation.alignment.search import outwards
from lineage.relation.alignment.structure import structure_of

IMPOSSIBLE = -1.0
"""A margin below any that two blocks can have."""


def blocks_of(child: State, candidate: State, ours: Structure) -> dict[str, str]:
    """Of each of the child's blocks, the candidate's; empty where all are called alike and none was left out.

    Args:
        child, candidate: by canonical names; ours: the child's structure.

    Raises:
        UnknownStructureError: if the names differ in more than the number of blocks.
    """
    from scipy.optimize import linear_sum_assignment

    is_called_alike = candidate.keys() >= child.keys()
    try:
        theirs = structure_of(shapes_of(candidate))
    except UnknownStructureError:
        if is_called_alike:
            return {}
        raise
    if is_called_alike and not 0 < len(ours.blocks) < len(theirs.blocks):
        return {}
    if not 0 < len(ours.blocks) < len(theirs.blocks):
        raise UnknownStructureError("its tensors are called otherwise, and no blocks were left out")
    parts = {block: _part(candidate, block) for block in theirs.blocks}
    margins = np.full((len(ours.blocks), len(theirs.blocks)), IMPOSSIBLE)
    for column, block in enumerate(theirs.blocks):
        fitting = {own: _alike(_part(child, own), parts, block) for own in ours.blocks}
        if not all(fitting.values()) or block not in fitting.values():
            continue
        try:
            found = _margins(child, renamed(child, candidate, fitting), ours)
        except UnknownStructureError:
            continue
        for row, own in enumerate(ours.blocks):
            if fitting[own] == block:
                margins[row, column] = found[own]
    rows, columns = linear_sum_assignment(margins, maximize=True)
    if (margins[rows, columns] == IMPOSSIBLE).any():
        raise UnknownStructureError("its blocks are not those of the other network")
    return {ours.blocks[row]: theirs.blocks[column] for row, column in zip(rows, columns, strict=True)}


def _part(state: State, block: str) -> dict[str, tuple[int, ...]]:
    """Shapes of a block's tensors, by what they are called in it."""
    return {
        name.removeprefix(f"{block}."): values.shape
        for name, values in state.items()
        if name.startswith(f"{block}.")
    }


def _alike(own: Mapping[str, tuple], parts: Mapping[str, Mapping[str, tuple]], wanted: str) -> str | None:
    """The wanted block if one of these shapes can be a part of it, else the first block that it can be of.

    It is no part of a block that is larger than another that it can be of.
    """
    sizes = {block: _size(shapes) for block, shapes in parts.items() if _is_part(own, shapes)}
    possible = [block for block, size in sizes.items() if size == min(sizes.values())]
    return wanted if wanted in possible else next(iter(possible), None)


def _size(shapes: Mapping[str, tuple]) -> int:
    return sum(map(math.prod, shapes.values()))


def _is_part(own: Mapping[str, tuple], theirs: Mapping[str, tuple]) -> bool:
    """Whether both have the same tensors, and the first no axis that is longer."""
    return own.keys() == theirs.keys() and all(
        len(shape) == len(theirs[name])
        and all(size <= their for size, their in zip(shape, theirs[name], strict=True))
        for name, shape in own.items()
    )


def renamed(child: State, candidate: State, chosen: Mapping[str, str]) -> State:
    """The candidate's tensors under the child's names, each block from a chosen one.

    Raises:
        UnknownStructureError: if one is missing.
    """
    named = {}
    for name in child:
        block = next((block for block in chosen if name.startswith(f"{block}.")), None)
        source = name if block is None else chosen[block] + name.removeprefix(block)
        if source not in candidate:
            raise UnknownStructureError(f"{name}: expected it in both networks")
        named[name] = candidate[source]
    return named


def _margins(child: State, named: State, ours: Structure) -> dict[str, float]:
    """The margin of each block, the median over its groups."""
    theirs = structure_of(shapes_of(named))
    check_alike(ours, theirs)
    sides = sides_of(child, named, ours, theirs)
    outwards(sides)
    found = {}
    for block in ours.blocks:
        groups = [group for group in sides.comparable() if group.id.startswith(f"{block}.")]
        found[block] = float(np.median([sides.margin(group) for group in groups])) if groups else 0.0
    return found
