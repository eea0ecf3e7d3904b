"""Decide, first part: what is known of each candidate, in the numbers that the verdict rests on."""

import math
from collections.abc import Mapping, Sequence

from lineage.auditing.stages.candidates import Candidate, Relative
from lineage.auditing.stages.child import Child
from lineage.auditing.stages.verdict import Evidence
from lineage.relation.permutation_test import RowTest, conformal_p_values


def evidence_of(
    child: Child,
    candidates: Sequence[Candidate],
    unrelated: Sequence[Candidate],
    relatives: Sequence[Relative],
    limit: float,
) -> list[Evidence]:
    """The evidence of every candidate.

    Args:
        child: opened and digested; candidates, unrelated: tested; relatives: compared.
        limit: log10 p at most this is dependence, over all candidates.
    """
    tested = [candidate for candidate in [*candidates, *unrelated] if candidate.tests]
    conformal_ps = conformal_p_values([candidate.z for candidate in tested])
    conformal_p_of = dict(zip(tested, conformal_ps, strict=True))
    relative_of = {relative.candidate: relative for relative in relatives}
    sizes = {name: math.prod(shape) for name, shape in child.digest.shapes.items()}
    found = []
    for candidate in candidates:
        relative = relative_of.get(candidate)
        found.append(
            Evidence(
                id=candidate.id,
                testable=len(candidate.tests),
                log10_p=candidate.log10_p,
                no_evidence=candidate.no_evidence(limit),
                coverage=coverage_of(candidate.tests, sizes, set(child.digest.sketches), limit),
                distance=relative.comparison.distance if relative else None,
                conformal_p=conformal_p_of.get(candidate),
                copy=candidate.copy_key,
            )
        )
    return found


def coverage_of(
    tests: Mapping[str, RowTest], sizes: Mapping[str, int], sketched: set[str], limit: float
) -> float:
    """The share of the testable weights that are in matrices dependent on a candidate.

    Args:
        tests: of the candidate, by the child's name of each matrix; sizes: of the child's tensors.
        sketched: the child's matrices that can be tested as they are.
        limit: log10 p at most this is dependence of the whole; divided by the number of tests for each matrix.
    """
    of_matrix = limit - math.log10(max(1, len(tests)))
    dependent = sum(sizes[name] for name, test in tests.items() if test.log10_p <= of_matrix)
    testable = sum(sizes[name] for name in sketched | tests.keys())
    return dependent / testable if testable else 0.0


def is_same(backbone: Sequence[str], unchanged: set[str]) -> bool:
    """Whether all that is no head is equal to rounding, and nothing is missing."""
    return bool(backbone) and all(name in unchanged for name in backbone)
