"""Where each matrix of the child comes from, once the verdict is known."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from lineage.auditing.stages.candidates import Candidate, Relative
from lineage.auditing.stages.child import Child
from lineage.relation.comparison import sampled
from lineage.relation.layers import LayerOrigin, looks_random, origin
from lineage.relation.matching import orientation
from lineage.relation.permutation_test import RowTest, row_test
from lineage.relation.sketch import Untestable, sketch


def layer_origins(
    child: Child,
    candidates: Sequence[Candidate],
    relatives: Sequence[Relative],
    parent: str | None,
    limit: float,
) -> list[LayerOrigin]:
    """The origin of every matrix of the child.

    Args:
        child: opened and digested; candidates: tested; relatives: compared, most similar first.
        parent: the id of the closest; without one, changes are relative to the most similar relative.
        limit: log10 p at most this is dependence, over all candidates.
    """
    reference = next((relative for relative in relatives if relative.id == parent), None)
    if reference is None and relatives:
        reference = relatives[0]
    limit -= math.log10(max(1, len(child.digest.sketches)))
    matchings = {candidate.id: candidate.matching for candidate in candidates}
    found = []
    for name in child.matrices:
        evidence = {
            candidate.id: candidate.tests[name] for candidate in candidates if name in candidate.tests
        }
        is_head = name in child.heads
        tests = evidence or tests_of_untestable(relatives, name, by_columns=is_head)
        is_dependent = any(test.log10_p <= limit for test in tests.values())
        found.append(
            origin(
                name,
                tests,
                parent=reference.id if reference else None,
                limit=limit,
                change=reference.comparison.changes.get(name) if reference else None,
                equal_to=[relative.id for relative in relatives if name in relative.comparison.unchanged],
                is_head=is_head,
                is_random=bool(relatives)
                and not is_dependent
                and looks_random(sampled(child.checkpoint.read(name))),
                is_evidence=bool(evidence),
                is_open=is_head
                and (not relatives or any(_is_open(relative, name, tests) for relative in relatives)),
            )
        )
    return [
        replace(layer, of=matchings[layer.source].pairs.get(layer.tensor)) if layer.source else layer
        for layer in found
    ]


def tests_of_untestable(relatives: Sequence[Relative], name: str, *, by_columns: bool) -> dict[str, RowTest]:
    """The same test for a matrix whose rows' order is not free, by relative: it describes, and is no evidence.

    by_columns: where the rows cannot be tested, the columns are, as those of a head: they stand for hidden neurons.
    """
    tests = {}
    for relative in relatives:
        if name not in relative.candidate.matching.pairs:
            continue
        pair = relative.pair(name)
        test = _test(*pair)
        if test is None and by_columns:
            test = _test(*(values.swapaxes(0, 1) for values in pair))
        if test is not None:
            tests[relative.id] = test
    return tests


def _test(theirs: np.ndarray, ours: np.ndarray) -> RowTest | None:
    """The test of the rows of two matrices; None where they cannot be tested."""
    first, second = sketch(theirs), sketch(ours)
    if isinstance(first, Untestable) or isinstance(second, Untestable):
        return None
    return row_test(first.astype(np.float32), second.astype(np.float32))


def _is_open(relative: Relative, name: str, tests: Mapping[str, RowTest]) -> bool:
    """Whether a relative has a matrix of the shape of this one that it was not tested against."""
    if relative.id in tests:
        return False
    matching, pair = relative.candidate.matching, relative.pair
    shape, theirs = pair.child.entries[name].shape, pair.candidate.entries
    return name in matching.pairs or any(
        orientation(shape, theirs[free].shape) is not None for free in matching.only_candidate
    )
