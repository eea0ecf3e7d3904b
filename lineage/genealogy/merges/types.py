"""What a merge is, by places in its family."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

Weights = Mapping[int, float]
"""Of parents, by their places."""


class Recipe(StrEnum):
    """How models are merged."""

    AVERAGE = "average"
    WEIGHTED = "weighted average"
    SLERP = "SLERP"
    WISE_FT = "WiSE-FT"
    TASK_ARITHMETIC = "task arithmetic"
    TIES = "TIES"
    DARE = "DARE"
    PASSTHROUGH = "passthrough"


@dataclass(frozen=True, kw_only=True)
class Mixing:
    """How one model was merged.

    recipe: that fits best; error: ‖what it leaves‖ / ‖the merge − its nearest parent or base‖; weights: of the
    parents, as the recipe takes them; base: the place of what parents' changes are taken from; left_out: the share of
    their changes that TIES or DARE drops, the mean; layers: of a passthrough, by its matrices' names, the place of
    the model and the name of the matrix there.
    """

    recipe: Recipe
    error: float
    weights: Weights
    base: int | None = None
    left_out: float | None = None
    layers: Mapping[str, tuple[int, str]] = field(default_factory=dict)
