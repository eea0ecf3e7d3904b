"""Relate: what each relative is to the child, and which one is the closest.

The closest is the relative whose line leaves the child's nearest to the child. Of relatives that leave it at the same
place, the one that moved least since then is closest: the place itself, if it is among them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lineage.auditing.stages.candidates import Relative
from lineage.relation.direction import Estimate
from lineage.relation.relations import Related, Relation

OWN = 0.25
"""How much a relative's own change since it parted counts against it, beside the child's."""
PART_OF_BEST = 0.5
"""A relative that is less similar to the child than this share of the most similar one is a small part of a merge."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a relative stands: how far along their change it and the child parted; is_same: only the head differs."""

    relative: Relative
    estimate: Estimate
    is_same: bool = False

    @property
    def id(self) -> str:
        """The relative's."""
        return self.relative.id

    @property
    def remoteness(self) -> float:
        """The child's squared change since they parted, and a part of the relative's own."""
        squared = self.relative.comparison.distance**2
        return float(squared * (1 - self.estimate.share + OWN * self.estimate.share))


def in_order(places: Sequence[Place]) -> list[Place]:
    """Relatives, closest first: the same weights, then possible ancestors, descendants, small parts of a merge."""
    best = max((place.relative.candidate.similarity for place in places), default=0.0)
    most = max((len(place.relative.tests) for place in places), default=0)

    def rank(place: Place) -> tuple[bool, bool, bool, float]:
        is_part = (
            place.relative.candidate.similarity < PART_OF_BEST * best or len(place.relative.tests) < most / 2
        )
        is_descendant = place.estimate.relation is Relation.DESCENDANT
        return not place.is_same, is_part, is_descendant, place.remoteness

    return sorted(places, key=rank)


def relate(places: Sequence[Place]) -> list[Related]:
    """What each relative is to the child, closest first; of several ancestors, the closest may be the parent."""
    return [_related(place, is_closest=number == 0) for number, place in enumerate(in_order(places))]


def _related(place: Place, *, is_closest: bool) -> Related:
    if place.is_same:
        return Related(
            id=place.id,
            relation=Relation.SAME,
            decided_by="order of neurons",
            reason="all tensors but the head are equal to rounding",
            bound=0.0,
        )
    relation = place.estimate.relation
    if relation is Relation.ANCESTOR and is_closest:
        relation = Relation.PARENT
    return Related(
        id=place.id,
        relation=relation,
        decided_by="what each lost of the other",
        reason=REASONS[relation],
        bound=place.estimate.bound if np.isfinite(place.estimate.bound) else None,
    )


REASONS: Mapping[Relation, str] = {
    Relation.PARENT: "the child lost none of what the candidate had, and added its own",
    Relation.ANCESTOR: "the child lost none of what the candidate had; another candidate is closer",
    Relation.DESCENDANT: "the candidate lost none of what the child has, and added its own",
    Relation.SIBLING: "each lost what the other has, as after a common ancestor",
    Relation.UNDETERMINED: "the weights do not show which of the two came earlier",
}
