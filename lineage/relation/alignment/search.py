"""The search for the orders of a candidate's units, and for the rotation of its residual stream.

From the axes whose order is fixed (inputs, words, positions), group by group as data pass, then again with all that
is known of each group's neighbours, until nothing changes (coordinate ascent; Ainsworth et al. 2023,
arXiv:2209.04836).
"""

import numpy as np

from lineage.relation.alignment.axes import Group, Kind, Member
from lineage.relation.alignment.disguises import turned
from lineage.relation.alignment.neurons import Sides
from lineage.relation.permutation_test import RowTest, row_test_of

SWEEPS = 4
TURNS = 3
"""How often a rotation is found again from all that the orders found with the last one show."""
FIRST_GROUPS = 8
"""So many groups are matched, and a quarter of them all, before two networks are given up."""
FIRST_LOOK = 128
"""Units of a large group that are looked at after they were matched once."""
OF_RANK = 1e-3
"""Directions in which the fixed axes show less than this share of the most are not turned at first."""
HELD_OUT = {Kind.INNER, Kind.QUERIES, Kind.VALUES}
"""Groups of which one tensor is matched first and the others are tested in that order."""


def outwards(sides: Sides, least: float = -np.inf) -> dict[str, RowTest]:
    """Matches every group that has no order by what is known, from the fixed axes outwards.

    Args:
        least: a margin; where none of the first groups reaches it, the others get no order: what starts from units in
            a wrong order goes on so.

    Returns:
        By group and tensor, the test of a tensor that had no part in the matching: of its units in the order that
        another tensor's gave.
    """
    tests, is_hopeful = {}, least == -np.inf
    left = [group for group in sides.matchable() if group.id not in sides.orders]
    enough = len(left) - max(FIRST_GROUPS, len(left) // 4)
    while left and (is_hopeful or len(left) > enough):
        group = next((group for group in left if sides.known(group)), left[0])
        members = sides.known(group) or sides.wide(group)
        sides.match(group, members[:1])
        if group.kind in HELD_OUT:
            tests |= _tests(sides, group, members[1:])
        if len(members) > 1:
            sides.match_doubtful(group, members)
        is_hopeful = is_hopeful or sides.margin(group, FIRST_LOOK, members) >= least
        left.remove(group)
    return tests


def _tests(sides: Sides, group: Group, members: list[Member]) -> dict[str, RowTest]:
    tests = {}
    for member in members:
        candidate, child = sides.pair(member, group)
        if test := row_test_of(candidate[sides.orders[group.id]], child):
            tests[f"{group.id}/{member.tensor}"] = test
    return tests


def ascend(sides: Sides) -> None:
    """Matches every group again, by all that is known."""
    for _ in range(SWEEPS):
        changed = [sides.match_doubtful(group, sides.wide(group)) for group in sides.matchable()]
        if not any(changed):
            return


def may_be_turned(sides: Sides) -> bool:
    """Whether a rotation of one residual stream may give the other: both may be rotated, and are of one size."""
    both = sides.ours, sides.theirs
    sizes = {group.size for structure in both for group in structure.of_kind(Kind.STREAM)[:1]}
    return all(structure.is_rotatable for structure in both) and len(sizes) == 1


def turn_of(sides: Sides, members: list[Member]) -> np.ndarray:
    """The rotation that takes the candidate's residual stream nearest to the child's (Schönemann 1966).

    Directions that the members do not show are taken to nothing.
    """
    stream = sides.ours.of_kind(Kind.STREAM)[0]
    product = np.zeros((stream.size, stream.size))
    for member in members:
        candidate, child = sides.pair(member, stream)
        product += child.astype(np.float64) @ candidate.T
    left, sizes, right = np.linalg.svd(product)
    shown = sizes > OF_RANK * sizes[0]
    return left[:, shown] @ right[shown]


def search_turned(sides: Sides) -> tuple[np.ndarray, dict[str, RowTest]]:
    """Finds a rotation of the candidate's residual stream, and the orders of its units; both go into `sides`.

    Returns:
        The rotation, and tests as of `outwards`: the fixed axes alone gave the rotation that they rest on.
    """
    stream, given = sides.ours.of_kind(Kind.STREAM)[0], sides.candidate
    sides.orders.clear()
    fixed = sides.known(stream)
    sides.orders[stream.id] = np.arange(stream.size)
    turn, tests = np.zeros(0), {}
    for number in range(TURNS):
        sides.candidate = given
        turn = turn_of(sides, fixed if number == 0 else sides.wide(stream))
        sides.candidate = turned(given, sides.theirs, turn)
        found = outwards(sides) if number == 0 else {}
        tests |= found
        for group in sides.matchable():
            if group is not stream:
                sides.match(group, sides.wide(group))
    return turn, tests
