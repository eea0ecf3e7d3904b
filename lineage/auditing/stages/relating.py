"""Relate: what each relative is to the child, and which one is the closest.

The closest is the relative whose line leaves the child's nearest to the child. Of relatives that leave it at the same
place, the one that moved least since then is closest: the place itself, if it is among them.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from lineage.relation.direction.estimate import Estimate
from lineage.relation.relations import Related, Relation
from lineage.relation.scars.limits import limited
from lineage.relation.scars.scar import Later, Scar, source_of

OWN = 0.25
"""How much a relative's own change since it parted counts against it, beside the child's."""
CONTAINED = 0.75
"""Share of a network's weight update over an ancestor that its descendants contain, at least."""
PART_OF_BEST = 0.5
"""A relative that is less similar to the child than this share of the most similar one is a small part of a merge."""


Contained = Mapping[str, tuple[float, float]]
"""Over an ancestor, by relative: the share of its weight update that is in the child's, and the reverse."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """What is known of a relative, in plain values.

    similarity: mean cosine of rows; tests: matrices tested; distance: of weights, relative to the candidate's;
    is_same: only the head differs; scars: what only time can have done to one of the two; features: of direction, see
    `lineage.auditing.stages.describing`; contained: what the child has of others' weight updates, if this one is an
    ancestor; hints: what counters suggest, which decides nothing.
    """

    id: str
    similarity: float
    tests: int
    distance: float
    is_same: bool = False
    scars: Sequence[Scar] = ()
    features: Mapping[str, float] = field(default_factory=dict)
    contained: Contained = field(default_factory=dict)
    hints: Sequence[str] = ()


Direction = Callable[[Mapping[str, float]], Estimate]
"""How far along their change a relative and the child parted, from its features."""


def relate(places: Sequence[Place], direction: Direction) -> list[Related]:
    """What each relative is to the child, closest first; of several ancestors, the closest may be the parent.

    Closest are the same weights; then the nearest ancestor; then what may be an ancestor, descendants, and small
    parts of a merge, each by how far from the child their lines part.

    Args:
        places: of a child's relatives.
        direction: estimates a share from features.
    """
    best = max((place.similarity for place in places), default=0.0)
    most = max((place.tests for place in places), default=0)
    unlimited = {place.id: direction(place.features) for place in places}
    estimates = {place.id: limited(unlimited[place.id], place.scars) for place in places}

    def is_part(place: Place) -> bool:
        return place.similarity < PART_OF_BEST * best or place.tests < most / 2

    ancestors = [
        place for place in places if estimates[place.id].relation is Relation.ANCESTOR and not is_part(place)
    ]
    sources = [place for place in ancestors if source_of(place.scars) is Later.CANDIDATE]
    possible = [
        place
        for place in places
        if estimates[place.id].relation is Relation.UNDETERMINED and not is_part(place)
    ]
    nearest = nearest_ancestor(sources or ancestors, () if sources else possible)

    def rank(place: Place) -> tuple[bool, bool, bool, bool, float]:
        estimate = estimates[place.id]
        remoteness = place.distance**2 * (1 - estimate.share + OWN * estimate.share)
        is_descendant = estimate.relation is Relation.DESCENDANT
        return not place.is_same, place is not nearest, is_part(place), is_descendant, remoteness

    return [
        _related(
            place,
            estimates[place.id],
            is_by_scars=estimates[place.id] != unlimited[place.id],
            is_closest=number == 0,
        )
        for number, place in enumerate(sorted(places, key=rank))
    ]


def nearest_ancestor(ancestors: Sequence[Place], possible: Sequence[Place] = ()) -> Place | None:
    """The relative that the child descends from most directly; None without an ancestor.

    From the earliest ancestor, the search moves to the next relative that lies between it and the child: the child
    contains its weight update, and more of it than it contains of the child's. Where the two were not compared, it
    may lie there if it is nearer to the child. If it ends at a relative whose relation is open, no ancestor is known
    to be the parent.

    Args:
        ancestors: of the child; possible: relatives that may be ancestors.
    """
    if not ancestors:
        return None
    nearest = max(ancestors, key=lambda place: place.distance)
    left = [*ancestors, *possible]
    while True:
        left.remove(nearest)
        between = [place for place in left if _is_between(nearest, place)]
        if not between:
            return nearest
        nearest = max(between, key=lambda place: place.distance)


def _is_between(ancestor: Place, place: Place) -> bool:
    """Whether a relative may lie between an ancestor and the child."""
    if place.id not in ancestor.contained:
        return place.distance < ancestor.distance
    in_child, in_relative = ancestor.contained[place.id]
    return in_child >= CONTAINED and in_child > in_relative


def _related(place: Place, estimate: Estimate, *, is_by_scars: bool, is_closest: bool) -> Related:
    scars = "; ".join(scar.evidence for scar in place.scars)
    if place.is_same:
        return Related(
            id=place.id,
            relation=Relation.SAME,
            decided_by="order of neurons",
            reason="all matrices but the head's are equal to rounding" + (f": {scars}" if scars else ""),
            bound=0.0,
            share=estimate.share,
            distance=place.distance,
        )
    relation = estimate.relation
    if relation is Relation.ANCESTOR and is_closest:
        relation = Relation.PARENT
    return Related(
        id=place.id,
        relation=relation,
        decided_by="scars" if is_by_scars else "what each lost of the other",
        reason=scars if is_by_scars else REASONS[relation],
        probability=estimate.probability,
        bound=estimate.bound if math.isfinite(estimate.bound) else None,
        share=estimate.share,
        distance=place.distance,
    )


REASONS: Mapping[Relation, str] = {
    Relation.PARENT: "the child lost none of what the candidate had, and added its own",
    Relation.ANCESTOR: "the child lost none of what the candidate had; another candidate is closer",
    Relation.DESCENDANT: "the candidate lost none of what the child has, and added its own",
    Relation.SIBLING: "each lost what the other has, as after a common ancestor",
    Relation.UNDETERMINED: "the weights do not show which of the two came earlier",
}
