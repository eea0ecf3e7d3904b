"""A candidate as far as it has been looked at, and the tests of its rows against the child's."""

from dataclasses import dataclass, field

import numpy as np

from lineage.checkpoints.checkpoint import Checkpoint
from lineage.checkpoints.find import Source
from lineage.relation.comparison import Comparison
from lineage.relation.matching import Matching
from lineage.relation.permutation_test import RowTest


@dataclass
class Candidate:
    """One candidate as far as it has been looked at."""

    id: str
    source: Source
    model: str
    format: str
    hashes: dict[str, str]
    matching: Matching
    tests: dict[str, RowTest]
    log10_p: float
    notes: list[str]
    comparison: Comparison | None = None
    opened: Checkpoint | None = field(default=None, repr=False)

    @property
    def z(self) -> float | None:
        """The mean over the tested matrices."""
        return float(np.mean([test.z for test in self.tests.values()])) if self.tests else None

    @property
    def likeness(self) -> float:
        """The mean over the tested matrices, each counted by its rows; there has to be one."""
        found = self.tests.values()
        return float(np.average([test.likeness for test in found], weights=[test.rows for test in found]))
