"""Estimates of direction from aligned weights: no finer than what is stated of a parent at all."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from lineage.auditing.stages.thirds.passing import Direction
from lineage.relation.direction.between import Passage
from lineage.relation.direction.estimate import NEAR, Estimate


@dataclass(frozen=True)
class Coarse:
    """A model of direction whose bounds are RESOLUTION or wider.

    Units that were removed, rescaled or matched wrongly leave it a narrower bound more often than it is true.
    """

    direction: Direction

    def __call__(self, features: Mapping[str, float]) -> Estimate:
        """Of a pair."""
        found = self.direction(features)
        return replace(found, least=min(found.least, 1 - NEAR), most=max(found.most, NEAR))

    def between(self, features: Mapping[str, float]) -> Passage:
        """Whether a relative lies on the way from another one to the child."""
        return self.direction.between(features)
