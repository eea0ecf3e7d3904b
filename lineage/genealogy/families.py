"""Which models share an origin: vectors say who may be related, the exact test of the rows' order decides.

Products of vectors are all that is computed of every pair. Pairs are tested from the most similar on, and only where
they would join two families, so a family of n costs about n tests.
"""

import math
from collections.abc import Iterator, Sequence

import numpy as np

from lineage.auditing.stages.child import read_child
from lineage.auditing.stages.testing import run_tests
from lineage.genealogy.reading import DIMENSIONS, Model
from lineage.index.digest import DigestCache
from lineage.progress import Tracked, untracked

POSSIBLE = 3.5 / math.sqrt(DIMENSIONS)
"""Cosine of two vectors from which on a pair may be related; chance gives it once in 4,000."""
BLOCK = 2048
TRIES = 3
"""Pairs of two families that are tested, at most, before they are taken as unrelated."""


def families_of(
    models: Sequence[Model], cache: DigestCache, *, alpha: float, follow: bool, tracked: Tracked = untracked
) -> list[list[int]]:
    """Places of the models by family, in their order; families in the order of their members.

    Args:
        models: of a folder; cache: of their digests.
        alpha: how often any two unrelated models may be joined; follow: links out of the folders.
    """
    limit = math.log10(alpha / max(1, len(models) * (len(models) - 1) // 2))
    family = list(range(len(models)))
    failed: dict[frozenset[int], int] = {}

    def head(place: int) -> int:
        while family[place] != place:
            family[place] = place = family[family[place]]
        return place

    for first, second in tracked(list(possible_pairs(models)), "possible pairs"):
        ends = head(first), head(second)
        if ends[0] == ends[1] or failed.get(frozenset(ends), 0) >= TRIES:
            continue
        source = models[first].source
        child = read_child(source.path, cache, inside=source.inside, follow=follow)
        tested = run_tests(child, [models[second].source], cache, follow=follow).candidates
        if any(candidate.log10_p <= limit for candidate in tested):
            family[max(ends)] = min(ends)
        else:
            failed[frozenset(ends)] = failed.get(frozenset(ends), 0) + 1
    found: dict[int, list[int]] = {}
    for place in range(len(models)):
        found.setdefault(head(place), []).append(place)
    return list(found.values())


def possible_pairs(models: Sequence[Model]) -> Iterator[tuple[int, int]]:
    """Pairs of models whose vectors are more alike than chance, most similar first."""
    vectors = np.stack([model.vector for model in models]) if models else np.zeros((0, DIMENSIONS))
    pairs = []
    for start in range(0, len(vectors), BLOCK):
        cosines = vectors[start : start + BLOCK] @ vectors.T
        rows, columns = np.nonzero(cosines >= POSSIBLE)
        is_above = rows + start < columns
        rows, columns = rows[is_above], columns[is_above]
        pairs += zip(cosines[rows, columns], rows + start, columns, strict=True)
    for _, first, second in sorted(pairs, key=lambda pair: -pair[0]):
        yield int(first), int(second)
