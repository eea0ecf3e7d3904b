"""Which models share an origin: vectors say who may be related, the exact test of the rows' order decides.

Products of vectors are all that is computed of every pair, and none of them is held: each model names the most
similar models of other families, those pairs are tested from the most similar on, and only where they would join two
families, until no model has another one to name. So a family of n costs about n tests, and memory grows with n alone.
"""

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from lineage.auditing.stages.child import read_child
from lineage.auditing.stages.comparing import Opener, with_resized
from lineage.auditing.stages.testing import run_tests
from lineage.genealogy.reading import DIMENSIONS, Model
from lineage.index.digest import DigestCache
from lineage.progress import Tracked, untracked

POSSIBLE = 3.5 / math.sqrt(DIMENSIONS)
"""Cosine of two vectors from which on a pair may be related; chance gives it once in 4,000."""
BLOCK = 1024
NAMED = 8
"""Models of other families that each model names at a time."""
TRIES = 3
"""Pairs of two families that are tested, at most, before they are taken as unrelated."""


PairTest = Callable[[Model, Model], float]
"""Tests two models; gives log10 of how probable it is that unrelated ones are as much alike, 0 without a test."""


def families_of(
    models: Sequence[Model], test: PairTest, *, alpha: float, tracked: Tracked = untracked
) -> list[list[int]]:
    """Places of the models by family, in their order; families in the order of their members.

    Args:
        models: of a folder; test: of a pair.
        alpha: how often any two unrelated models may be joined; tracked: says how far it is.
    """
    limit = math.log10(alpha / max(1, len(models) * (len(models) - 1) // 2))
    vectors = np.stack([model.vector for model in models]) if models else np.zeros((0, DIMENSIONS))
    groups = Groups(len(models))
    while pairs := list(possible_pairs(vectors, groups)):
        for first, second in tracked(pairs, "possible pairs"):
            if not groups.may_join(first, second):
                continue
            groups.learn(first, second, is_related=test(models[first], models[second]) <= limit)
    return groups.members()


def by_rows(cache: DigestCache, *, follow: bool) -> PairTest:
    """The test of the order of two models' rows.

    Args:
        cache: of digests; follow: links out of the folders.
    """

    def test(first: Model, second: Model) -> float:
        source = first.source
        child = read_child(source.path, cache, inside=source.inside, follow=follow)
        tested = run_tests(child, [second.source], cache, follow=follow).candidates
        opened = Opener(follow=follow)
        return min((with_resized(child, candidate, opened).log10_p for candidate in tested), default=0.0)

    return test


class Groups:
    """Families as far as they are known, of so many models."""

    def __init__(self, count: int):
        self._above = list(range(count))
        self._failed: dict[tuple[int, int], int] = {}
        self._tested: dict[int, set[int]] = {}

    def head(self, place: int) -> int:
        """The first model of a model's family."""
        while self._above[place] != place:
            self._above[place] = place = self._above[self._above[place]]
        return place

    def heads(self) -> np.ndarray:
        """Of all models."""
        return np.array([self.head(place) for place in range(len(self._above))], int)

    def may_join(self, first: int, second: int) -> bool:
        """Whether a test of two models would tell something that is not known."""
        ends = self._ends(first, second)
        return ends[0] != ends[1] and self._failed.get(ends, 0) < TRIES

    def learn(self, first: int, second: int, *, is_related: bool) -> None:
        """Takes in what a test of two models of different families says."""
        ends = self._ends(first, second)
        if is_related:
            self._above[ends[1]] = ends[0]
        else:
            self._failed[ends] = self._failed.get(ends, 0) + 1
            self._tested.setdefault(min(first, second), set()).add(max(first, second))

    def unrelated_to(self, place: int) -> list[int]:
        """Later models that a model was tested with in vain."""
        return list(self._tested.get(place, ()))

    def unrelated_families(self) -> Iterator[tuple[int, int]]:
        """Heads of two families of which enough pairs were tested in vain."""
        for (first, second), count in self._failed.items():
            if count >= TRIES and self.head(first) == first and self.head(second) == second:
                yield first, second

    def members(self) -> list[list[int]]:
        """The families, in the order of their first members."""
        found: dict[int, list[int]] = {}
        for place in range(len(self._above)):
            found.setdefault(self.head(place), []).append(place)
        return list(found.values())

    def _ends(self, first: int, second: int) -> tuple[int, int]:
        heads = self.head(first), self.head(second)
        return min(heads), max(heads)


def possible_pairs(vectors: np.ndarray, groups: Groups) -> Iterator[tuple[int, int]]:
    """Pairs of models of different families that are more alike than chance, most similar first: NAMED by each model.

    Args:
        vectors: of the models, see `lineage.genealogy.reading.vector_of`; groups: what is known of families.
    """
    heads, excluded = groups.heads(), list(groups.unrelated_families())
    found: dict[tuple[int, int], float] = {}
    for start in range(0, len(vectors), BLOCK):
        cosines = vectors[start : start + BLOCK] @ vectors.T
        own = heads[start : start + BLOCK]
        cosines[own[:, None] == heads] = -1
        for ends in excluded:
            for first, second in (ends, ends[::-1]):
                cosines[np.ix_(own == first, heads == second)] = -1
        for row, values in enumerate(cosines):
            values[: start + row] = -1
            values[groups.unrelated_to(start + row)] = -1
            near = np.flatnonzero(values >= POSSIBLE)
            for place in near[np.argsort(-values[near], kind="stable")[:NAMED]]:
                found[start + row, int(place)] = float(values[place])
    yield from sorted(found, key=lambda pair: -found[pair])
