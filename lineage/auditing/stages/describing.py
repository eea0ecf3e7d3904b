"""Describe: what each relative and the child show of which came earlier, in numbers that a model of direction takes.

Of a relative A and the child C: what each lost of the other. Of the third relative X that is farthest from both:
where it leaves their path, what each of them lost of it, and how much of A's weight update over X is in C, and the
reverse. Every number of the candidate has one of the child, so that swapping the two swaps them.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from lineage.auditing.stages.candidates import Relative
from lineage.auditing.stages.child import Child
from lineage.auditing.stages.evidence import is_same
from lineage.auditing.stages.hints import hints_of
from lineage.auditing.stages.relating import Contained, Place
from lineage.relation.comparison import evenly, sampled
from lineage.relation.direction.lost import lost, of_sides, pooled
from lineage.relation.direction.thirds import family
from lineage.relation.direction.updates import Ancestor, WeightUpdate
from lineage.relation.sketch import chosen_rows
from lineage.relation.spectrum import corner, oriented

Features = dict[str, float]
MOST_DESCRIBED = 16
"""Relatives that third ones are compared with: the nearest by weights."""
OF_THIRD = ("lost", "complete", "retention")
"""What of a third relative's own loss is looked at."""


def places_of(child: Child, relatives: Sequence[Relative]) -> list[Place]:
    """What is known of each relative, in their order."""
    return [
        Place(
            id=relative.id,
            similarity=relative.candidate.similarity,
            tests=len(relative.tests),
            distance=relative.comparison.distance,
            is_same=is_same(child, relative),
            scars=relative.comparison.scars,
            features=features,
            contained=contained,
            hints=hints_of(relative.counts, child.checkpoint.counts),
        )
        for relative, (features, contained) in zip(relatives, described(relatives), strict=True)
    ]


def described(relatives: Sequence[Relative]) -> list[tuple[Features, Contained]]:
    """The features of every relative, and what others contain of it; both lack what third relatives would say."""
    found = [pooled(relative.comparison.matrices) for relative in relatives]
    contained: list[Contained] = [{} for _ in relatives]
    together = [place for place in _nearest(relatives) if found[place]]
    shared = _shared([relatives[place] for place in together])
    if len(together) < 2 or not shared:
        return list(zip(found, contained, strict=True))
    chosen = [relatives[place] for place in together]
    points = family(_points(chosen, shared))
    thirds = {}
    for number, place in enumerate(together):
        farthest = points.farthest(number)
        if farthest not in thirds:
            thirds[farthest] = Third(chosen[farthest], found[together[farthest]], shared)
        third = thirds[farthest]
        found[place] |= points.features(number) | third.features(relatives[place])
        shares = points.contained(number)
        contained[place] = {
            relative.id: (float(in_child), float(in_relative))
            for relative, (in_child, in_relative) in zip(chosen, shares, strict=True)
            if np.isfinite(in_child + in_relative)
        }
    return list(zip(found, contained, strict=True))


def _nearest(relatives: Sequence[Relative]) -> list[int]:
    most = max((len(relative.tests) for relative in relatives), default=0)
    whole = [place for place, relative in enumerate(relatives) if len(relative.tests) >= most / 2]
    return sorted(whole, key=lambda place: relatives[place].comparison.distance)[:MOST_DESCRIBED]


def _shared(relatives: Sequence[Relative]) -> list[str]:
    """Matrices that all of them have been tested by."""
    first = relatives[0].tests if relatives else {}
    return evenly([name for name in first if all(name in relative.tests for relative in relatives)])


def _points(relatives: Sequence[Relative], names: Sequence[str]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    for name in names:
        ours = _part(relatives[0].pair(name)[1])
        yield ours, np.stack([_part(relative.pair(name)[0]) for relative in relatives])


def _part(values: np.ndarray) -> np.ndarray:
    """Up to 256 rows and 256 columns of a matrix, in one row."""
    rows = sampled(values)
    return rows[:, chosen_rows(rows.shape[1])].ravel().astype(np.float64)


class Third:
    """What a relative and the child lost of a third relative, and contain of each other's weight updates over it."""

    def __init__(self, relative: Relative, lost_by_child: Features, names: Sequence[str]):
        self._lost_by_child = lost_by_child
        self._matrices: dict[str, tuple[np.ndarray, Ancestor, WeightUpdate]] = {}
        for name in names:
            before, child = (oriented(values) for values in relative.pair(name))
            if before is not None:
                ancestor = Ancestor(corner(before))
                self._matrices[name] = corner(before), ancestor, ancestor.update_of(corner(child))

    def features(self, relative: Relative) -> Features:
        """Of one relative and the child."""
        sides, sizes = [], []
        contained: dict[str, list[float]] = {"candidate": [], "child": []}
        for name, (before, ancestor, of_child) in self._matrices.items():
            after = corner(oriented(relative.pair(name)[0]))
            of_candidate = ancestor.update_of(after)
            contained["candidate"].append(of_candidate.share_in(of_child))
            contained["child"].append(of_child.share_in(of_candidate))
            if (side := lost(before, after)) is not None:
                sides.append(side)
                sizes.append(before.size)
        by_candidate = of_sides(sides, sizes) if sides else {}
        found = {}
        for name in OF_THIRD:
            found[f"far_{name}.candidate"] = by_candidate.get(name, float("nan"))
            found[f"far_{name}.child"] = self._lost_by_child.get(f"{name}.candidate", float("nan"))
        for end, shares in contained.items():
            known = [share for share in shares if np.isfinite(share)]
            found[f"contained.{end}"] = float(np.median(known)) if known else float("nan")
        return found
