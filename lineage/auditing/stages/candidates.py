"""What the stages know of a candidate: first its tests, and of a relative the comparison tensor by tensor too."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from lineage.checkpoints.find import Source
from lineage.relation.comparison import Comparison, Pair
from lineage.relation.matching import Matching
from lineage.relation.multiple_testing import Level, beyond_a_fixed_part, combined
from lineage.relation.permutation_test import RowTest
from lineage.relation.sketch import Reason

ELSEWHERE = 0.1
"""Share of the weights: where both networks have more that the other lacks, and all that they share is the same in
both, they may share a fixed part and nothing else. A network of which more was left out may be related by that."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Candidate:
    """A possible parent, tested against the child.

    id: the user's name for it; source, model: where it is, and which model of the file; shapes: of its tensors;
    hashes: sha256 of each file; copy_key: of copies, whatever their files and names, the same; matching: of the
    child's tensors with the candidate's; tests: by the child's name of each matrix tested; unmoved: those that are
    equal to rounding; elsewhere: share of the testable weights that were not tested, of child or candidate, whichever
    is smaller; apart: share of the candidate's that do not belong to the child's; is_part: whether the child is
    composed of its layers and those of others, so that what is the same in both is no fixed part; is_whole: whether
    enough of its weights could be read to say that it is not related.
    """

    id: str
    source: Source
    model: str
    format: str
    hashes: Mapping[str, str]
    copy_key: str
    matching: Matching
    tests: Mapping[str, RowTest]
    notes: list[str]
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    unmoved: frozenset[str] = frozenset()
    elsewhere: float = 0.0
    apart: float = 0.0
    is_part: bool = False
    is_whole: bool = True

    @property
    def is_evidence(self) -> bool:
        """Whether the tests can say anything of the whole: one matrix alone cannot."""
        return len(self.tests) > 1

    @property
    def may_share_a_fixed_part(self) -> bool:
        """Whether all that was tested is the same in both, and too much of both was not tested."""
        return not self.is_part and self.elsewhere >= ELSEWHERE and self.unmoved.issuperset(self.tests)

    @cached_property
    def log10_p(self) -> float:
        """The candidate's own, not corrected: for at least two dependent matrices that are more than a fixed part."""
        if self.is_part:
            return combined([test.log10_p for test in self.tests.values()])
        if self.may_share_a_fixed_part:
            return 0.0
        return beyond_a_fixed_part(self.tests, self.unmoved)

    def no_evidence(self, limit: float) -> dict[str, Reason]:
        """The tested matrices that look dependent but are no evidence, and why.

        Args:
            limit: log10 p at most this is dependence, over all candidates.
        """
        if not self.is_evidence:
            return dict.fromkeys(self.tests, Reason.LONE)
        shared = combined([test.log10_p for test in self.tests.values()])
        if shared > limit or self.log10_p <= limit:
            return {}
        return {name: Reason.FIXED_PART for name in self.tests if name in self.unmoved}

    @cached_property
    def z(self) -> float | None:
        """The mean over the tested matrices; None without any."""
        return float(np.mean([test.z for test in self.tests.values()])) if self.tests else None

    @cached_property
    def similarity(self) -> float:
        """The mean over the tested matrices, each weighted by its rows; there has to be one."""
        tests = self.tests.values()
        return float(np.average([test.similarity for test in tests], weights=[test.rows for test in tests]))


@dataclass(frozen=True, eq=False)
class Relative:
    """A candidate that is not independent of the child.

    pair: reads the tensors of both; counts: what its file says of how long it was trained; described: tests of
    matrices that were paired once both files were open, which are no evidence.
    """

    candidate: Candidate
    pair: Pair
    comparison: Comparison
    counts: Mapping[str, int]
    described: Mapping[str, RowTest] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """The candidate's."""
        return self.candidate.id

    @property
    def tests(self) -> Mapping[str, RowTest]:
        """The candidate's."""
        return self.candidate.tests


def level_of(candidates: Sequence[Candidate], alpha: float) -> Level:
    """The level over those candidates that the tests can say anything of."""
    return Level.over(sum(candidate.is_evidence for candidate in candidates), alpha)
