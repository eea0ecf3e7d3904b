"""The pairwise answers of audits within a family, on each model and its nearest relatives."""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from lineage.auditing.stages.child import read_child
from lineage.auditing.stages.comparing import Opener, compare_relatives
from lineage.auditing.stages.describing import places_of
from lineage.auditing.stages.testing import run_tests
from lineage.auditing.stages.thirds.passing import Direction
from lineage.auditing.stages.thirds.together import Together
from lineage.genealogy.distances.geometry import Nearest
from lineage.genealogy.reading import Model
from lineage.index.digest import DigestCache
from lineage.progress import Tracked, untracked
from lineage.relation.direction.estimate import NEAR, Estimate
from lineage.relation.scars.limits import limited
from lineage.relation.scars.scar import Later, source_of

LEAST = 1e-3
"""A probability is not believed to be smaller."""

Pair = tuple[int, int]


@dataclass(frozen=True)
class Answers:
    """Of the pairs of a family that were compared, by places.

    ancestor: how probable it is that the first is an ancestor of the second, or as near to one as can be told;
    change: how far apart the two are, relative to the candidate's weights; copied: pairs of which the second is a
    pruned or rounded copy of the first.
    """

    ancestor: dict[Pair, float]
    change: dict[Pair, float]
    copied: set[Pair] = field(default_factory=set)

    def beside_sources(self) -> frozenset[Pair]:
        """Edges into copies from what is not their source."""
        copies = {copy for _, copy in self.copied}
        return frozenset(pair for pair in self.ancestor if pair[1] in copies and pair not in self.copied)


def neighbours_of(nearest: Nearest, others: Collection[Pair] = ()) -> list[list[int]]:
    """Whom each model is compared with: every pair of near ones once, as evenly as possible.

    Args:
        nearest: as many of each model as it should be compared with; others: pairs that are compared as well.
    """
    pairs = {(min(pair), max(pair)): math.inf for pair in others}
    pairs |= {
        (min(first, int(second)), max(first, int(second))): float(apart)
        for first, (places, squared) in enumerate(zip(nearest.places, nearest.squared, strict=True))
        for second, apart in zip(places, squared, strict=True)
    }
    found: list[list[int]] = [[] for _ in nearest.places]
    for first, second in sorted(pairs, key=lambda pair: (pairs[pair], pair)):
        child, candidate = (first, second) if len(found[first]) <= len(found[second]) else (second, first)
        found[child].append(candidate)
    return found


def ends_of(before: Estimate, after: Estimate) -> tuple[float, float]:
    """How probable it is that the candidate is an ancestor, and a descendant; at least LEAST each.

    Args:
        before, after: the estimate without and with what scars forbid.
    """
    ancestor = 0.5 if before.as_ancestor is None else before.as_ancestor
    descendant = 0.5 if before.as_descendant is None else before.as_descendant
    if after.least >= 1 - NEAR:
        ancestor, descendant = 0.0, 1.0
    elif after.most <= NEAR:
        ancestor, descendant = 1.0, 0.0
    elif after != before:
        ancestor = 0.0 if after.least > NEAR else ancestor
        descendant = 0.0 if after.most < 1 - NEAR else descendant
    return max(ancestor, LEAST), max(descendant, LEAST)


def answers_of(
    models: Sequence[Model],
    neighbours: Sequence[Sequence[int]],
    cache: DigestCache,
    direction: Direction,
    *,
    follow: bool,
    tracked: Tracked = untracked,
) -> Answers:
    """The answers on each model of a family as the child, and its neighbours as candidates.

    Args:
        models: of the family; neighbours: places of each model's candidates, no pair twice.
        cache: of digests; direction: estimates a share from features; follow: links out of the folders.
        tracked: says how far it is.
    """
    found = Answers({}, {})
    place_of = {model.id: place for place, model in enumerate(models)}
    for number, near in enumerate(tracked(neighbours, "models compared with their neighbours")):
        if not near:
            continue
        source = models[number].source
        child = read_child(source.path, cache, inside=source.inside, follow=follow)
        tested = run_tests(child, [models[place].source for place in near], cache, follow=follow)
        relatives = compare_relatives(child, tested.candidates, 0.0, Opener(follow=follow))
        for pair in places_of(child, relatives, Together(relatives)):
            place = place_of[pair.id]
            before = direction(pair.features)
            ends = ends_of(before, limited(before, pair.scars))
            if (earlier := source_of(pair.scars)) is not None:
                found.copied.add((place, number) if earlier is Later.CANDIDATE else (number, place))
            for (first, second), ancestor in zip(((place, number), (number, place)), ends, strict=True):
                found.ancestor[first, second] = ancestor
                found.change[first, second] = pair.distance
    return found
