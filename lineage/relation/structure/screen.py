"""Which matrices of a candidate may belong to which of the child, by all pairs of one shape at the price of one test.

The sum of the cosines of rows in the same places is a product of two vectors, so all pairs of L child's and M
candidate's matrices are one product of [L, n·k] and [M, n·k]. Only the most alike partner of each matrix is tested
for the order of its rows, and its p-value is multiplied by the number of partners it was chosen from (Bonferroni),
and by what the choice may cost of the rate of false positives.
"""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from lineage.relation.matching import Matching, Partner, Shape, Shapes, match
from lineage.relation.permutation_test import RowTest, row_test

SHARE = 0.005
"""Of the rate of false positives, what pairs chosen by weights may cost in each orientation."""
BY_NAME = -math.log10(1 - 2 * SHARE)
"""What that leaves to the pairs by name and order costs them: log10 of the factor."""
SURE = -6.0
"""log10 p of a pair that needs no other partner."""
LEAST = 6.0
"""A pair with fewer standard deviations than this, of random rows, is not tested."""

Key = tuple[int, int, int, int]
"""Rows and columns of a matrix, and of its sketch."""


@dataclass(frozen=True)
class Sketches:
    """Sketches of matrices of one kind of shape, as one array [L, n·k]; rows: n."""

    names: Sequence[str]
    values: np.ndarray
    rows: int

    def of(self, place: int) -> np.ndarray:
        """One of them, [n, k]."""
        return self.values[place].reshape(self.rows, -1)


def grouped(sketches: Mapping[str, np.ndarray], shapes: Mapping[str, Shape]) -> dict[Key, Sketches]:
    """Sketches by the rows and columns of their matrices."""
    names: dict[Key, list[str]] = defaultdict(list)
    for name, values in sketches.items():
        shape = shapes[name]
        names[shape[0], math.prod(shape[1:]), *values.shape].append(name)
    return {
        key: Sketches(group, np.stack([sketches[name].ravel() for name in group]).astype(np.float32), key[2])
        for key, group in names.items()
    }


def screened(
    child: Mapping[Key, Sketches],
    candidate: Mapping[Key, Sketches],
    known: Mapping[str, RowTest],
    partners: Mapping[str, str],
    *,
    transposed: bool,
) -> dict[str, RowTest]:
    """The tests of the child's matrices with better partners than were tried, corrected for the choice.

    Args:
        child, candidate: sketches, grouped.
        known: tests of pairs that were tried before; partners: the candidate's tensors of those pairs.
        transposed: whether the child's sketches are of columns.
    """
    found = {}
    for key in child.keys() & candidate.keys():
        ours, theirs = child[key], candidate[key]
        weak = [
            place
            for place, name in enumerate(ours.names)
            if name not in known or (known[name].log10_p > SURE and (transposed or len(theirs.names) > 1))
        ]
        if not weak:
            continue
        alike = ours.values[weak] @ theirs.values.T * math.sqrt(ours.values.shape[1]) / ours.rows
        for place, cosines in zip(weak, alike, strict=True):
            best = int(cosines.argmax())
            name, partner = ours.names[place], theirs.names[best]
            if cosines[best] < LEAST or (partners.get(name) == partner and not transposed):
                continue
            test = row_test(theirs.of(best), ours.of(place))
            corrected = min(0.0, test.log10_p + math.log10(len(theirs.names) / SHARE))
            if corrected <= SURE and (name not in known or corrected < known[name].log10_p):
                found[name] = replace(test, log10_p=corrected, partner=partner, transposed=transposed)
    return found


def matching_of(
    matching: Matching, child: Shapes, candidate: Shapes, tests: Mapping[str, RowTest]
) -> Matching:
    """A matching by names and order, but for matrices whose partner the weights chose, and what stands beside them.

    What was tested keeps the partner that it was tested with.

    Args:
        matching: by names and order; child, candidate: shapes by name; tests: by the child's name.
    """
    chosen = {name: Partner(test.partner, test.transposed) for name, test in tests.items() if test.partner}
    if not chosen:
        return matching
    sure = {
        name: Partner(matching.pairs[name], name in matching.transposed)
        for name, test in tests.items()
        if test.log10_p <= SURE and name in matching.pairs
    }
    found = match(child, candidate, sure | chosen)
    tested = [name for name in tests if name not in chosen]
    return replace(
        found,
        pairs={**found.pairs, **{name: matching.pairs[name] for name in tested}},
        how={**found.how, **{name: matching.how[name] for name in tested}},
        transposed=found.transposed.difference(tested) | matching.transposed.intersection(tested),
        only_child=[name for name in found.only_child if name not in tests],
    )
