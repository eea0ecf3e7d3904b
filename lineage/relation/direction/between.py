"""Whether a network lies on the way from another one to a child: whether their line passes it, or leaves it aside."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lineage.relation.direction.thirds import QUANTILES
from lineage.relation.direction.trees import Trees
from lineage.relation.direction.updates import Shares


def pooled_shares(matrices: Sequence[Shares], prefix: str = "", suffix: str = "") -> dict[str, float]:
    """Quantiles over matrices of how much of an update is contained, by name; empty without a matrix."""
    if not matrices:
        return {}
    values = [[shares[name] for name in matrices[0]] for shares in matrices]
    found = np.quantile(values, list(QUANTILES.values()), axis=0)
    return {
        f"{prefix}{name}_{end}{suffix}": float(value)
        for end, of_end in zip(QUANTILES, found, strict=True)
        for name, value in zip(matrices[0], of_end, strict=True)
    }


@dataclass(frozen=True)
class Passage:
    """Whether a network lies on the way from another one to a child.

    probability: of yes; is_sure: at the error that the model states; apart: the squared distance of the two networks,
    over that of the first and the child.
    """

    probability: float
    is_sure: bool
    apart: float = math.inf

    @property
    def is_probable(self) -> bool:
        """Whether it is as probable as not."""
        return self.probability >= 0.5


@dataclass(frozen=True)
class Between:
    """Whether a network lies on the way from another one to a child.

    features: names of the columns; trees: a score; accepted_from: scores at least this are sure.
    """

    features: Sequence[str]
    trees: Trees
    accepted_from: float

    def __call__(self, features: Mapping[str, float]) -> Passage:
        """The answer; yes and no are taken to be equally frequent."""
        row = np.array([[features.get(name, math.nan) for name in self.features]])
        score = float(self.trees(row)[0])
        return Passage(float(1 / (1 + np.exp(-score))), score >= self.accepted_from)

    def arrays(self, prefix: str) -> dict[str, np.ndarray]:
        """As named arrays, for a file."""
        own = {"features": np.array(self.features), "accepted_from": np.array(self.accepted_from)}
        return {f"{prefix}{name}": values for name, values in own.items()} | self.trees.arrays(
            f"{prefix}trees."
        )

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, np.ndarray], prefix: str) -> "Between":
        """From named arrays."""
        return cls(
            [str(name) for name in arrays[f"{prefix}features"]],
            Trees.of_arrays(arrays, f"{prefix}trees."),
            float(arrays[f"{prefix}accepted_from"]),
        )
