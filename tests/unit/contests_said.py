"""Contests of possible parents whose outcome is given."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Said:
    """As `lineage.genealogy.evidence.contests.Contests`, of one part of the weights."""

    pairs: Sequence[tuple[int, int]]
    values: np.ndarray
    parts: int = 1

    def evidence(self, chosen: np.ndarray, possible: np.ndarray) -> np.ndarray:
        return self.values
