"""Pass: which relatives lie on the way from another one to the child, looked at only where the search asks."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Protocol

from lineage.auditing.stages.thirds.together import Together
from lineage.relation.direction.between import Passage, pooled_shares
from lineage.relation.direction.estimate import Estimate


class Direction(Protocol):
    """What estimates how far along their change two networks parted, and whether one lies between two others."""

    def __call__(self, features: Mapping[str, float]) -> Estimate:
        """Of a pair."""

    def between(self, features: Mapping[str, float]) -> Passage:
        """Whether a relative lies on the way from another one to the child."""


class Passing:
    """Whether one relative lies on the way from another one to the child."""

    def __init__(self, together: Together, direction: Direction):
        self._together, self._direction = together, direction

    def __call__(self, start: str, relative: str) -> Passage | None:
        """By their ids; None unless both are compared."""
        features = passage_of(self._together, start, relative)
        if not features:
            return None
        numbers = self._together.numbers
        apart = self._together.points.apart(numbers[start], numbers[relative])
        return replace(self._direction.between(features), apart=apart)


def passage_of(together: Together, start: str, relative: str) -> dict[str, float]:
    """What shows whether a relative lies on the way from another one to the child, by their ids.

    Returns:
        Nothing unless both are compared, and neither has the same matrices as the other or the child.
    """
    if not together or start not in together.numbers or relative not in together.numbers:
        return {}
    in_child, in_relative = together.shares(together.numbers[start], together.numbers[relative])
    return pooled_shares(in_child, "contained_") | pooled_shares(in_relative, "back_")
