"""The scars of two relatives, matrix by matrix: each pair of matrices is looked at once and then forgotten."""

from collections import Counter, defaultdict

import numpy as np

from lineage.relation.scars.marks import Mark, marks
from lineage.relation.scars.scar import Later, Scar, ScarKind

REGROWN = 1.5
"""Where zeros of one relative are less than so many times as large in the other as its changes elsewhere, they may
have grown back by training."""
RESOLVED = 0.35
"""Rounding that is a smaller part of the difference than this is no bar: what was rounded is then nearer its source
than a relative can be told from a parent."""
COPIES = 0.9
"""Share, by size, of the matrices that differ in which a copy has nothing but its scars."""
SAYS = {
    ScarKind.ZEROS: "{share:.0%} zeros where the {earlier} has none",
    ScarKind.GRID: "values on a quantisation grid, off which the {earlier}'s lie by what rounding leaves",
    ScarKind.HALF: "the {earlier}'s values, rounded to half precision",
}
"""What a scar is, in words."""


class ScarSearch:
    """Collects the marks of matched matrices: `look` at each pair, then `scars`."""

    def __init__(self) -> None:
        self._marks: dict[tuple[Later, ScarKind], list[Mark]] = defaultdict(list)
        self._copied: Counter[Later] = Counter()
        self._matrices, self._entries = 0, 0

    def look(self, candidate: np.ndarray, child: np.ndarray) -> None:
        """Looks at a matrix of both; what has fewer than two axes, or is equal in both, has no mark.

        Args:
            candidate, child: [n, ...] of one shape.
        """
        if child.ndim < 2 or np.array_equal(candidate, child):
            return
        self._matrices, self._entries = self._matrices + 1, self._entries + child.size
        for later, scarred, plain in ((Later.CANDIDATE, candidate, child), (Later.CHILD, child, candidate)):
            found = marks(scarred, plain)
            if any(mark.is_copy for mark in found):
                self._copied[later] += child.size
            for mark in found:
                self._marks[later, mark.kind].append(mark)

    def scars(self) -> list[Scar]:
        """What the marks say together; swapping candidate and child swaps nothing but `later` and the words."""
        found = (self._scar(later, kind, marks) for (later, kind), marks in self._marks.items())
        return sorted(filter(None, found), key=lambda scar: (scar.kind, scar.later))

    def _scar(self, later: Later, kind: ScarKind, found: list[Mark]) -> Scar | None:
        is_copy = self._copied[later] >= COPIES * self._entries
        explained = float(np.median([mark.explained for mark in found]))
        if not is_copy and not explained >= (REGROWN if kind is ScarKind.ZEROS else RESOLVED):
            return None
        share = np.average([mark.share for mark in found], weights=[mark.size for mark in found])
        words = SAYS[kind].format(share=share, earlier=later.earlier)
        matrices = f"{len(found)} of {self._matrices} matrices that differ"
        return Scar(
            kind=kind, later=later, evidence=f"the {later} has {words}, in {matrices}", is_copy=is_copy
        )
