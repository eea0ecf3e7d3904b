"""Boosted regression trees, evaluated in NumPy: sums of the leaves that a row of features ends in."""

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np


@dataclass(frozen=True)
class Trees:
    """Trees as flat arrays over all nodes.

    feature: the column that a node looks at, −1 in a leaf; threshold: up to which a row goes left; missing_left:
    whether a missing value does; left, right: the next node; value: of a leaf; roots: the first node of each tree;
    baseline: added to the sum.
    """

    feature: np.ndarray
    threshold: np.ndarray
    missing_left: np.ndarray
    left: np.ndarray
    right: np.ndarray
    value: np.ndarray
    roots: np.ndarray
    baseline: np.ndarray

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        """The sums for rows of features [n, k], NaN where one is missing: [n]."""
        nodes = np.repeat(self.roots[None], len(rows), axis=0)
        while (inner := self.feature[nodes] >= 0).any():
            row, tree = np.nonzero(inner)
            at = nodes[row, tree]
            values = rows[row, self.feature[at]]
            goes_left = np.where(np.isnan(values), self.missing_left[at], values <= self.threshold[at])
            nodes[row, tree] = np.where(goes_left, self.left[at], self.right[at])
        return self.value[nodes].sum(1) + float(self.baseline)

    def arrays(self, prefix: str) -> dict[str, np.ndarray]:
        """As named arrays, for a file."""
        return {f"{prefix}{field.name}": getattr(self, field.name) for field in fields(self)}

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, np.ndarray], prefix: str) -> "Trees":
        """From named arrays."""
        return cls(**{field.name: np.asarray(arrays[f"{prefix}{field.name}"]) for field in fields(cls)})
