"""What is not read from aligned weights: narrow bounds, and that one is the other's rounded or pruned copy."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from lineage.auditing.stages.aligning.aligned import AlignedCandidate
from lineage.auditing.stages.candidates import Relative
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


def without_copies(relatives: Sequence[Relative]) -> list[Relative]:
    """The relatives, of which none that was brought to another scale counts as the child's source, or its copy.

    A change that rounding explains is small beside the steps of a grid, and a rescaled grid has other steps.
    """
    return [_no_copy(relative) if _is_rescaled(relative) else relative for relative in relatives]


def _is_rescaled(relative: Relative) -> bool:
    candidate = relative.candidate
    return isinstance(candidate, AlignedCandidate) and bool(candidate.alignment.factors)


def _no_copy(relative: Relative) -> Relative:
    scars = [replace(scar, is_copy=False) for scar in relative.comparison.scars]
    return replace(relative, comparison=replace(relative.comparison, scars=scars))
