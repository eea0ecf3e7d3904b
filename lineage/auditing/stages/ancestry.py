"""Of a child's relatives, the one that it descends from most directly.

Where A is an ancestor of the child, and X lies between A and the child, X is an ancestor too, and a nearer one,
whatever X and the child alone show. X lies between them if the child contains X's weight update over A, and more of
it than X contains of the child's. So the search starts at the earliest ancestor and moves to the next network in
between, until there is none.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from lineage.auditing.stages.candidates import Relative
from lineage.relation.comparison import evenly
from lineage.relation.direction import Reading, measured, overall
from lineage.relation.spectrum import corner, oriented
from lineage.relation.updates import Ancestor, WeightUpdate

CONTAINED = 0.85
"""Share of a network's weight update over an ancestor that its descendants contain, at least."""


@dataclass(frozen=True)
class Step:
    """What shows whether a relative X lies between an ancestor A and the child.

    in_child: the share of X's weight update over A that the child contains; in_relative: the reverse, 0 where
    in_child is too small to matter; size: ‖X's update‖.
    """

    in_child: float
    in_relative: float
    size: float

    @property
    def is_between(self) -> bool:
        """Whether X lies between A and the child."""
        return self.in_child >= CONTAINED and self.in_child > self.in_relative


Steps = Callable[[Relative], Step]
"""Of a relative X: whether it lies between a given ancestor and the child."""


@dataclass(frozen=True)
class Ancestry:
    """The nearest ancestor, and the earlier one from which the search found it, if that is another; both or none."""

    nearest: Relative | None = None
    start: Relative | None = None


def nearest_ancestor(
    relatives: Sequence[Relative],
    precedes: Callable[[Relative, Relative], bool],
    steps_from: Callable[[Relative], Steps],
) -> Ancestry:
    """The nearest ancestor of the child among its relatives.

    Args:
        relatives: compared with the child.
        precedes: of two relatives, whether the first is an ancestor of the second.
        steps_from: of an ancestor, what shows whether relatives lie between it and the child.
    """
    fewest = max((len(relative.tests) for relative in relatives), default=0) / 2
    ancestors = [
        relative
        for relative in relatives
        if reading_of(relative) is Reading.CANDIDATE_FIRST and len(relative.tests) >= fewest
    ]
    if not ancestors:
        return Ancestry()
    start = max(ancestors, key=lambda relative: relative.comparison.distance)
    for ancestor in ancestors:
        if ancestor is not start and precedes(ancestor, start):
            start = ancestor
    nearest = start
    left = [relative for relative in relatives if reading_of(relative) is not Reading.CHILD_FIRST]
    while True:
        left.remove(nearest)
        step_to = steps_from(nearest)
        between = [(step.size, relative) for relative in left if (step := step_to(relative)).is_between]
        if not between:
            return Ancestry(nearest, None if nearest is start else start)
        nearest = min(between, key=lambda found: found[0])[1]


def reading_of(relative: Relative) -> Reading | None:
    """Which of a relative and the child is the ancestor; None if nothing shows it."""
    direction = relative.comparison.direction
    return direction.reading if direction else None


def precedes(first: Relative, second: Relative) -> bool:
    """Whether a relative is an ancestor of another, from what the second retains of it."""
    shared = evenly([name for name in first.tests if name in second.tests])
    found = overall(
        [(measured(first.pair(name)[0], second.pair(name)[0]), first.tests[name].rows) for name in shared]
    )
    return found is not None and found.reading is Reading.CANDIDATE_FIRST


def steps_from(ancestor: Relative) -> Steps:
    """What shows whether relatives lie between an ancestor and the child; reads one relative at a time."""
    return _Steps(ancestor)


class _Steps:
    """The weight updates over one ancestor: the child's are computed once."""

    def __init__(self, ancestor: Relative):
        self._matrices: dict[str, tuple[Ancestor, WeightUpdate]] = {}
        for name in evenly(list(ancestor.tests)):
            before, child = (oriented(values) for values in ancestor.pair(name))
            if before is not None:
                matrix = Ancestor(corner(before))
                self._matrices[name] = matrix, matrix.update_of(corner(child))

    def __call__(self, relative: Relative) -> Step:
        updates = [
            (matrix.update_of(corner(oriented(relative.pair(name)[0]))), of_child)
            for name, (matrix, of_child) in self._matrices.items()
            if name in relative.tests
        ]
        in_child = _median([update.share_in(of_child) for update, of_child in updates])
        if in_child < CONTAINED:
            return Step(in_child, 0.0, 0.0)
        in_relative = _median([of_child.share_in(update) for update, of_child in updates])
        return Step(in_child, in_relative, float(np.hypot.reduce([update.size for update, _ in updates])))


def _median(shares: list[float]) -> float:
    """The median of the shares that are defined; 0 where none is."""
    known = [share for share in shares if np.isfinite(share)]
    return float(np.median(known)) if known else 0.0
