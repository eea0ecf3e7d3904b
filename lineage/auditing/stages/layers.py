"""Where each matrix of the child comes from, once the verdict is known."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from lineage.auditing.stages.candidates import Candidate, Relative
from lineage.auditing.stages.child import Child
from lineage.relation.comparison import sampled
from lineage.relation.layers import LayerOrigin, looks_random, origin
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
        tests = evidence or tests_of_untestable(relatives, name)
        is_dependent = any(test.log10_p <= limit for test in tests.values())
        found.append(
            origin(
                name,
                tests,
                parent=reference.id if reference else None,
                limit=limit,
                change=reference.comparison.changes.get(name) if reference else None,
                is_unchanged=reference is not None and name in reference.comparison.unchanged,
                is_head=name in child.heads,
                is_random=bool(relatives)
                and not is_dependent
                and looks_random(sampled(child.checkpoint.read(name))),
                is_evidence=bool(evidence),
            )
        )
    return [
        replace(layer, of=matchings[layer.source].pairs.get(layer.tensor)) if layer.source else layer
        for layer in found
    ]


def tests_of_untestable(relatives: Sequence[Relative], name: str) -> dict[str, RowTest]:
    """The same test for a matrix whose rows' order is not free, by relative: it describes, and is no evidence."""
    tests = {}
    for relative in relatives:
        if name not in relative.candidate.matching.pairs:
            continue
        theirs, ours = map(sketch, relative.pair(name))
        if not isinstance(theirs, Untestable) and not isinstance(ours, Untestable):
            tests[relative.id] = row_test(theirs.astype(np.float32), ours.astype(np.float32))
    return tests
