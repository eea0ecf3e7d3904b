"""Describe: what each relative and the child show of which came earlier, in numbers that a model of direction takes.

Of a relative A and the child C: what each lost of the other. Of the third relative X that is farthest from both:
where it leaves their path, what each of them lost of it, and whether either lies between X and the other. Every
number of the candidate has one of the child, so that swapping the two swaps them.
"""

from collections.abc import Sequence
from functools import partial

from lineage.auditing.stages.candidates import Relative
from lineage.auditing.stages.child import Child
from lineage.auditing.stages.evidence import differences_of, is_same
from lineage.auditing.stages.hints import hints_of
from lineage.auditing.stages.place import Place
from lineage.auditing.stages.thirds.mixed import mixed_with_child
from lineage.auditing.stages.thirds.together import Together
from lineage.relation.direction.between import pooled_shares
from lineage.relation.direction.estimate import NEAR
from lineage.relation.direction.lost import of_sides

Features = dict[str, float]
OF_THIRD = ("lost", "complete", "retention")
"""What of a third relative's own loss is looked at."""


def places_of(child: Child, relatives: Sequence[Relative], together: Together) -> list[Place]:
    """What is known of each relative, in their order.

    Args:
        together: those that are compared with each other too.
    """
    mixed, features_of = mixed_with_child(together), Described(together)
    same = {relative.id for relative in relatives if is_same(child, relative)}
    return [
        Place(
            id=relative.id,
            similarity=relative.candidate.similarity,
            tests=len(relative.tests),
            distance=relative.comparison.distance,
            beside_scale=relative.comparison.beside_scale,
            is_same=relative.id in same,
            differs=differences_of(child, relative) if relative.id in same else (),
            is_rescaled=relative.comparison.is_rescaled,
            is_narrow=relative.comparison.is_narrow,
            is_outlying=bool(together) and relative.id not in together.numbers,
            scars=[*relative.comparison.scars, *([mixed[relative.id]] if relative.id in mixed else [])],
            describe=partial(features_of, relative),
            hints=hints_of(relative.counts, child.checkpoint.counts),
        )
        for relative in relatives
    ]


class Described:
    """The features of a relative; some lack what third relatives would say."""

    def __init__(self, together: Together):
        self._together = together
        self._thirds: dict[int, Third] = {}

    def __call__(self, relative: Relative) -> Features:
        """Of one relative."""
        found, together = relative.comparison.features, self._together
        if not (found and together and relative.id in together.numbers):
            return found
        number = together.numbers[relative.id]
        far = together.points.farthest(number)
        if far is None or not together.points.is_told_apart(far, number, NEAR):
            return found
        if far not in self._thirds:
            self._thirds[far] = Third(together, far, together.relatives[far].comparison.features)
        return found | together.points.features(number) | self._thirds[far].features(number)


class Third:
    """What a relative and the child lost of a third relative, and contain of each other's weight updates over it."""

    def __init__(self, together: Together, number: int, lost_by_child: Features):
        self._together, self._number, self._lost_by_child = together, number, lost_by_child

    def features(self, number: int) -> Features:
        """Of one relative and the child."""
        sides, sizes = [], []
        for name in self._together.names:
            if (side := self._together.lost(name, self._number, number)) is not None:
                sides.append(side)
                sizes.append(self._together.matrix(name, self._number).size)
        by_candidate = of_sides(sides, sizes) if sides else {}
        found = {}
        for name in OF_THIRD:
            found[f"far_{name}.candidate"] = by_candidate.get(name, float("nan"))
            found[f"far_{name}.child"] = self._lost_by_child.get(f"{name}.candidate", float("nan"))
        in_child, in_candidate = self._together.shares(self._number, number)
        return (
            found
            | pooled_shares(in_child, "contained_", ".candidate")
            | pooled_shares(in_candidate, "contained_", ".child")
        )
