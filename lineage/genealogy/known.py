"""What is known of a family: its models' matrices, what pairs say of each other, merges, distances and contests."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lineage.auditing.stages.thirds.passing import Direction
from lineage.genealogy.answers import Answers, Pair, answers_of, neighbours_of
from lineage.genealogy.distances.geometry import Distances
from lineage.genealogy.distances.points import points
from lineage.genealogy.distances.thinned import thinned_pairs
from lineage.genealogy.evidence.contests import MOST, Contests
from lineage.genealogy.evidence.fits import Fit, fits_of
from lineage.genealogy.merges.find import MOST_MIXED, merges_of, put_together
from lineage.genealogy.merges.patched import coordinates
from lineage.genealogy.merges.types import Mixing
from lineage.genealogy.reading import Model
from lineage.index.digest import DigestCache
from lineage.index.workers import one_thread
from lineage.progress import Tracked, untracked

NEIGHBOURS = 8
"""Models that each one is compared with: the nearest, and those that it is among the nearest of."""
LEAST_WEIGHED = 0.01
"""A smaller probability weighs no more."""


@dataclass(frozen=True)
class Known:
    """Of one family; models are named by their places.

    matrices: [n, rows, columns] each; answers: of pairs; merges: by the place of the merge; contests: of possible
    parents; fits: of pairs, what distances say.
    """

    matrices: Sequence[np.ndarray]
    answers: Answers
    merges: Mapping[int, Mixing]
    contests: Contests
    fits: Mapping[Pair, Fit]

    def edges(self, barred: Collection[Pair] = ()) -> tuple[list[Pair], np.ndarray]:
        """Possible edges, and the evidence on each: [edges, 6], in the order of `arborescence.WEIGHTS`."""
        ancestor, contests = self.answers.ancestor, self.contests.evidence(barred)
        edges = [pair for pair in ancestor if pair not in barred]
        evidence = []
        for pair in edges:
            fit = self.fits[pair]
            evidence.append(
                (
                    math.log(max(ancestor[pair], LEAST_WEIGHED)),
                    math.log(max(ancestor[pair[::-1]], LEAST_WEIGHED)),
                    contests.get(pair, -MOST),
                    fit.detour,
                    fit.beside,
                    fit.below_above,
                )
            )
        return edges, np.array(evidence, float).reshape(-1, 6)


@one_thread
def known_of(
    models: Sequence[Model],
    cache: DigestCache,
    direction: Direction,
    *,
    follow: bool,
    tracked: Tracked = untracked,
) -> Known | None:
    """What is known of a family of two and more; None where its models share no matrix.

    Args:
        models: related to each other; cache: of digests.
        direction: estimates a share from features; follow: links out of the folders; tracked: says how far it is.
    """
    matrices = points(models, follow=follow)
    if not matrices:
        return None
    distances, chosen = Distances(matrices), coordinates(matrices)
    neighbours = neighbours_of(distances.nearest(NEIGHBOURS), thinned_pairs(chosen))
    answers = answers_of(models, neighbours, cache, direction, follow=follow, tracked=tracked)
    merges = merges_of(
        matrices,
        chosen,
        distances.nearest(MOST_MIXED),
        answers.ancestor,
        put_together(models, follow=follow),
        answers.copied,
    )
    contests = Contests(matrices, answers.ancestor, merges)
    return Known(matrices, answers, merges, contests, fits_of(distances, answers.ancestor, merges))
