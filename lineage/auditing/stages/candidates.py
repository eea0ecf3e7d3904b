"""What the stages know of a candidate: first its tests, and of a relative the comparison tensor by tensor too."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from lineage.checkpoints.find import Source
from lineage.relation.comparison import Comparison, Pair
from lineage.relation.matching import Matching
from lineage.relation.permutation_test import RowTest, combined


@dataclass(frozen=True, kw_only=True, eq=False)
class Candidate:
    """A possible parent, tested against the child.

    id: the user's name for it; source, model: where it is, and which model of the file; hashes: sha256 of each file;
    matching: of the child's tensors with the candidate's; tests: by the child's name of each matrix tested.
    """

    id: str
    source: Source
    model: str
    format: str
    hashes: Mapping[str, str]
    matching: Matching
    tests: Mapping[str, RowTest]
    notes: list[str]

    @cached_property
    def log10_p(self) -> float:
        """For at least two dependent matrices, or for the only one."""
        return combined([test.log10_p for test in self.tests.values()])

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
    """A candidate that is not independent of the child; pair: reads the tensors of both."""

    candidate: Candidate
    pair: Pair
    comparison: Comparison

    @property
    def id(self) -> str:
        """The candidate's."""
        return self.candidate.id

    @property
    def tests(self) -> Mapping[str, RowTest]:
        """The candidate's."""
        return self.candidate.tests
