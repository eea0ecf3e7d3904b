"""What is not read from aligned weights: that one network is the other's rounded or pruned copy."""

from collections.abc import Sequence
from dataclasses import replace

from lineage.auditing.stages.aligning.aligned import AlignedCandidate
from lineage.auditing.stages.candidates import Relative


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
