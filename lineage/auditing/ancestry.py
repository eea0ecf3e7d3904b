"""Of a child's relatives, the one that it descends from most directly.

Where A came before the child, and X lies on the way from A to the child, X is an ancestor too, and a nearer one,
whatever X and the child alone show. X lies on the way if the child holds X's news over A, and more of it than X does
of the child's. So from the earliest ancestor on, always the next one on the way is taken, to the last.
"""

from collections.abc import Callable

import numpy as np

from lineage.auditing.candidates import Candidate
from lineage.relation.comparison import Pair, evenly
from lineage.relation.direction import corner, measured, oriented, overall
from lineage.relation.updates import Ancestor

HELD = 0.85
"""Share of a network's news over an ancestor that its descendants hold, at least."""

Way = Callable[[Candidate], tuple[float, float, float]]
"""Of X: the share of its news over A that the child holds; if that is enough, the reverse, and how large they are."""


def nearest_ancestor(
    relatives: list[Candidate],
    came_before: Callable[[Candidate, Candidate], bool],
    way_from: Callable[[Candidate], Way],
) -> tuple[Candidate | None, Candidate | None]:
    """The nearest ancestor, and the relative that came first by which it was found, if that is another.

    Args:
        relatives: compared with the child.
        came_before: of two relatives, whether the first came before the second.
        way_from: of A, what says whether others lie on the way from A to the child.

    Returns:
        (None, None) if no relative came first.
    """
    readings = {one.id: one.comparison.direction and one.comparison.direction.reading for one in relatives}
    fewest = max((len(one.tests) for one in relatives), default=0) / 2
    first = [one for one in relatives if readings[one.id] == "candidate first" and len(one.tests) >= fewest]
    if not first:
        return None, None
    start = max(first, key=lambda one: one.comparison.distance)
    for other in first:
        if other is not start and came_before(other, start):
            start = other
    nearest = start
    left = [one for one in relatives if readings[one.id] != "child first"]
    while True:
        left.remove(nearest)
        way = way_from(nearest)
        steps = [
            (size, one) for one in left for held, back, size in [way(one)] if held >= HELD and held > back
        ]
        if not steps:
            return nearest, None if nearest is start else start
        nearest = min(steps, key=lambda step: step[0])[1]


class Ways:
    """Reads what `nearest_ancestor` asks for, one relative at a time; `pair` gives the child and a candidate."""

    def __init__(self, pair: Callable[[Candidate], Pair]):
        self._pair = pair

    def came_before(self, one: Candidate, other: Candidate) -> bool:
        """Whether a candidate came before another, from what the other keeps of it."""
        first, second = self._pair(one), self._pair(other)
        shared = evenly([name for name in one.tests if name in other.tests])
        found = overall(
            [(measured(first(name)[0], second(name)[0]), one.tests[name].rows) for name in shared]
        )
        return found is not None and found.reading == "candidate first"

    def __call__(self, ancestor: Candidate) -> Way:
        """The ways from an ancestor to the child."""
        read, matrices = self._pair(ancestor), {}
        for name in evenly(list(ancestor.tests)):
            first, child = (oriented(values) for values in read(name))
            if first is not None:
                matrix = Ancestor(corner(first))
                matrices[name] = matrix, matrix.news_of(corner(child))

        def way(one: Candidate) -> tuple[float, float, float]:
            theirs = self._pair(one)
            pairs = [
                (matrix.news_of(corner(oriented(theirs(name)[0]))), of_child)
                for name, (matrix, of_child) in matrices.items()
                if name in one.tests
            ]
            if (held := _median([news.share_held_by(of_child) for news, of_child in pairs])) < HELD:
                return held, 0.0, 0.0
            back = _median([of_child.share_held_by(news) for news, of_child in pairs])
            return held, back, float(np.hypot.reduce([news.size for news, _ in pairs]))

        return way


def _median(shares: list[float]) -> float:
    """0 where no matrix tells."""
    known = [share for share in shares if np.isfinite(share)]
    return float(np.median(known)) if known else 0.0
