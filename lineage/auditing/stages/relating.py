"""Relate: what each relative is to the child, and which one is the closest.

The closest is the relative whose line leaves the child's nearest to the child. Of relatives that leave it at the same
place, the one that moved least since then is closest: the place itself, if it is among them.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from lineage.auditing.stages.place import Place
from lineage.auditing.stages.thirds.nearest import LiesBetween, ahead_of_others, not_compared, search
from lineage.auditing.stages.thirds.passing import Direction
from lineage.relation.direction.estimate import UNKNOWN, Estimate
from lineage.relation.direction.thirds import goes_on
from lineage.relation.relations import Related, Relation
from lineage.relation.scars.limits import limited
from lineage.relation.scars.scar import Later, source_of
from lineage.relation.spectrum import FEWEST

OWN = 0.25
"""How much a relative's own change since it parted counts against it, beside the child's."""
LATER = 0.7
"""A relative that is a descendant with at least this probability is not the closest; chosen on pairs of architectures
that the model was not fitted on, where ancestors hardly ever and descendants nearly always have it."""
PART_OF_BEST = 0.5
"""A relative that is less similar to the child than this share of the most similar one is a small part of a merge."""


def relate(
    places: Sequence[Place], direction: Direction, lies_between: LiesBetween = not_compared
) -> list[Related]:
    """What each relative is to the child, closest first; of several ancestors, the closest may be the parent.

    Closest are the same weights, first those of which nothing else differs; then the nearest ancestor; then what may
    be an ancestor, descendants, and small parts of a merge, each by how far from the child their lines part.

    Args:
        places: of a child's relatives.
        direction: estimates a share from features.
        lies_between: whether one relative lies on the way from another to the child.
    """
    best = max((place.similarity for place in places), default=0.0)
    most = max((place.tests for place in places), default=0)
    unlimited = {
        place.id: UNKNOWN if place.is_rescaled or place.is_outlying else direction(place.features)
        for place in places
    }
    estimates = {place.id: limited(unlimited[place.id], place.scars) for place in places}
    by_scars = {id for id, estimate in estimates.items() if estimate != unlimited[id]}

    def is_part(place: Place) -> bool:
        return place.similarity < PART_OF_BEST * best or place.tests < most / 2

    ancestors = [
        place for place in places if estimates[place.id].relation is Relation.ANCESTOR and not is_part(place)
    ]
    sources = [place for place in ancestors if source_of(place.scars) is Later.CANDIDATE]
    remaining = [place for place in places if not is_part(place) and not _is_later(estimates[place.id])]
    if ancestors:
        possible = [place for place in remaining if estimates[place.id].relation is Relation.UNDETERMINED]
        nearest, estimate = search(sources or ancestors, () if sources else possible, estimates, lies_between)
        estimates[nearest.id] = estimate
    else:
        nearest = ahead_of_others(remaining, lies_between)
    averaged = {place.id for place in places if _may_be_average(place, estimates[place.id])} - by_scars

    def rank(place: Place) -> tuple[bool, bool, bool, bool, bool, float]:
        estimate = estimates[place.id]
        remoteness = place.distance**2 * (1 - estimate.share + OWN * estimate.share)
        return (
            not place.is_same,
            bool(place.differs),
            place is not nearest,
            is_part(place),
            _is_later(estimate),
            remoteness,
        )

    return [
        _related(
            place,
            estimates[place.id],
            is_by_scars=place.id in by_scars,
            is_closest=number == 0,
            is_averaged=place.id in averaged,
        )
        for number, place in enumerate(sorted(places, key=rank))
    ]


def _is_later(estimate: Estimate) -> bool:
    """Whether a network is, or probably is, a descendant of the child."""
    return estimate.relation is Relation.DESCENDANT or (estimate.as_descendant or 0.0) >= LATER


def _may_be_average(place: Place, estimate: Estimate) -> bool:
    """Whether a network that looks like an ancestor may as well be an average of stages of the child (EMA, SWA).

    Such an average lies beside the way of training, farther than any bound that stages have.
    """
    return estimate.bound < 1 and goes_on(place.features)


def _related(
    place: Place, estimate: Estimate, *, is_by_scars: bool, is_closest: bool, is_averaged: bool
) -> Related:
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
            beside_scale=place.beside_scale,
            differs=place.differs,
        )
    if is_averaged:
        estimate = replace(estimate, most=1.0)
    relation = estimate.relation
    if relation is Relation.ANCESTOR and is_closest:
        relation = Relation.PARENT
    return Related(
        id=place.id,
        relation=relation,
        decided_by="scars" if is_by_scars else "what each lost of the other",
        reason=scars if is_by_scars else AVERAGED if is_averaged else _reason(place, relation),
        probability=estimate.probability,
        bound=estimate.bound if math.isfinite(estimate.bound) else None,
        share=estimate.share,
        distance=place.distance,
        beside_scale=place.beside_scale,
        is_final=is_averaged or _is_narrow(place, relation),
        no_ancestor="; ".join(
            scar.evidence for scar in place.scars if scar.forbids and scar.later is Later.CANDIDATE
        ),
    )


def _is_narrow(place: Place, relation: Relation) -> bool:
    return place.is_narrow and relation is Relation.UNDETERMINED


def _reason(place: Place, relation: Relation) -> str:
    """Why the relation is what it is, where no scars decide."""
    if place.is_rescaled:
        return RESCALED
    if place.is_outlying:
        return OUTLYING
    return NARROW if _is_narrow(place, relation) else REASONS[relation]


NARROW = (
    f"the matrices that differ have fewer than {FEWEST} rows or columns, too few to show which came earlier"
)
OUTLYING = (
    "other relatives are nearer to the child and were compared with each other; which came earlier is not said of "
    "a farther one, as a pair alone is too often wrong there"
)
RESCALED = "neurons were rescaled one by one, which hides which of the two came earlier"
AVERAGED = (
    "the child goes on the way that the candidate came, which may be a stage of its training or an average of stages "
    "(EMA, SWA): weights do not tell these apart"
)
REASONS: Mapping[Relation, str] = {
    Relation.PARENT: "the child lost none of what the candidate had, and added its own",
    Relation.ANCESTOR: "the child lost none of what the candidate had; another candidate is closer",
    Relation.DESCENDANT: "the candidate lost none of what the child has, and added its own",
    Relation.SIBLING: "each lost what the other has, as after a common ancestor",
    Relation.UNDETERMINED: "the weights do not show which of the two came earlier",
}
