"""Nearest: the relative that the child's line leaves last, by which relatives lie on the way from which others."""

from collections.abc import Callable, Mapping, Sequence

from lineage.auditing.stages.place import Place
from lineage.relation.direction.between import Passage
from lineage.relation.direction.estimate import NEAR, Estimate
from lineage.relation.relations import Relation

LIKELIER = 0.3
"""How much more probable than the reverse it has to be that a near copy of an ancestor lies after it."""
ALLOWANCE = 1.25
"""How much larger a change may be than the distance from an ancestor shows: squared distances add up only nearly."""

CLEARLY = 0.7
"""A relative that is nearer to the child than this share of an ancestor's distance left the child's line after it, by
more than half of the squared way."""

LiesBetween = Callable[[str, str], Passage | None]
"""Whether the second relative lies on the way from the first to the child, by ids; None if that was not compared."""


def not_compared(start: str, relative: str) -> None:
    """Where no relatives are compared with each other."""


def ahead_of_others(places: Sequence[Place], lies_between: LiesBetween) -> Place | None:
    """The relative that is ahead of the others on the way to the child; None if there is no such relative.

    One is ahead of another if it more probably lies on the way from there to the child than the reverse. A network
    lies on the way from all that parted from the child's line before it did, and none of its children on the way from
    it, however alike one recipe made what they learnt. Copies of one network are ahead of the same others.

    Args:
        places: of relatives, none of which is known to be an ancestor.
        lies_between: whether one lies on the way from another to the child.
    """

    def is_ahead(place: Place, behind: Place) -> bool:
        forth, back = lies_between(behind.id, place.id), lies_between(place.id, behind.id)
        return forth is not None and back is not None and forth.probability > back.probability

    if not places:
        return None
    first, *others = places
    for place in others:
        if is_ahead(place, first):
            first = place
    others = [place for place in places if place is not first]
    is_first = any(is_ahead(first, place) for place in others)
    return first if is_first and not any(is_ahead(place, first) for place in others) else None


def search(
    ancestors: Sequence[Place],
    possible: Sequence[Place],
    estimates: Mapping[str, Estimate],
    lies_between: LiesBetween,
) -> tuple[Place, Estimate]:
    """The relative that the child's line leaves last, and its estimate.

    From the farthest ancestor, the search moves to the farthest relative on the way to the child, and so on. Where
    that was not compared, a relative may lie there if it is nearer to the child. It moves to a near copy of an
    ancestor only if the reverse is clearly less probable, as both are the parent within the resolution. What is
    clearly nearer to the child left the line later, whether or not its own relation is known. Of a relative whose own
    relation is open more is known by the ancestor that it was reached from, see `_reached`.

    Args:
        ancestors: of the child, at least one; possible: relatives that may be ancestors.
        estimates: of all of them, by id; lies_between: whether one lies on the way from another to the child.
    """
    left = [*ancestors, *possible]
    nearest = max(ancestors, key=lambda place: place.distance)
    estimate = estimates[nearest.id]
    while True:
        left.remove(nearest)
        ways = {place.id: lies_between(nearest.id, place.id) for place in left}

        def is_on_the_way(place: Place, ways=ways, before=nearest) -> bool:
            if (way := ways[place.id]) is None:
                return place.is_nearer(before)
            if way.apart > NEAR:
                return way.is_probable or place.is_nearer(before, CLEARLY)
            back = lies_between(place.id, before.id)
            return way.probability - (back.probability if back else 0.0) >= LIKELIER

        if not (between := [place for place in left if is_on_the_way(place)]):
            return nearest, estimate
        nearest = max(between, key=lambda place: place.distance)
        own, way = estimates[nearest.id], ways[nearest.id]
        estimate = own if way is None or nearest.is_rescaled else _reached(own, estimate, way)


def _reached(own: Estimate, before: Estimate, way: Passage) -> Estimate:
    """What is known of a relative on the way from an ancestor to the child.

    If the child branched off within some bound of a network, it did so of each network that is surely on the way from
    there. And what is near an ancestor has changed no more than their distance since the child's line left it:
    squared distances add up along a family tree. But how near an ancestor is to the child's line is known only up to
    its own bound, so nothing that was reached from it has a narrower one.

    Args:
        own: what the relative's pair with the child shows.
        before: the estimate of the network that it was reached from; way: between the two.
    """
    if before.relation is not Relation.ANCESTOR:
        return own
    by_distance = ALLOWANCE**2 * way.apart / (1 - before.most)
    most = before.most if way.is_sure else min(1.0, max(before.most, by_distance))
    return before.inherited(own, most)
