"""Why the order of a matrix' rows is no evidence: each reason, and its English text."""

from dataclasses import dataclass
from enum import Enum


class Reason(Enum):
    """Why a matrix is not tested; {} in a text stands for a number."""

    HEAD = "the head, whose rows are classes"
    RECURRENT = "recurrent: its rows and columns are the same neurons"
    TABLE = "a table, whose rows have a fixed order"
    ATTENTION = "attention: its rows are tied within heads"
    FUSED_ATTENTION = "has the shape of attention's fused input"
    FEW_ROWS = "only {:.0f} rows"
    FEW_COLUMNS = "only {:.0f} columns"
    CONSTANT = "its rows are all alike: initial values or a constant"
    ORDERED = "neighbouring rows are alike ({:.0f} sd): their order is not free"
    DIAGONAL = "its diagonal stands out: rows and columns are tied"


OF_EITHER_SIDE = frozenset({Reason.HEAD, Reason.TABLE, Reason.ATTENTION, Reason.FUSED_ATTENTION})
"""Reasons that rest on a matrix' part in the network: they hold for its columns, taken as rows, as well."""


@dataclass(frozen=True)
class Untestable:
    """A reason, with the number that its text speaks of."""

    reason: Reason
    number: float = 0.0

    def __str__(self) -> str:
        return self.reason.value.format(self.number)
