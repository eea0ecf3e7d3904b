"""What a relative can be to a child, in words, and how sure that is."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Relation(StrEnum):
    """What a candidate is to a child that it is dependent on."""

    SAME = "same weights"
    PARENT = "parent"
    ANCESTOR = "ancestor"
    DESCENDANT = "descendant"
    SIBLING = "sibling or cousin"
    INITIALISATION = "same initialisation"
    UNDETERMINED = "undetermined"


@dataclass(frozen=True, kw_only=True)
class Related:
    """What one relative is to the child.

    probability: of the relation, calibrated; bound: the child branched off within this share of its own change from
    the relative; share: ‖a‖² / (‖a‖² + ‖c‖²), see `lineage.relation.direction.estimate`; None where there is none.
    distance: of weights, relative to the relative's; beside_scale: the same beside the scale of each matrix;
    is_final: whether more candidates would not show more; no_ancestor: the scars by which the relative cannot be an
    ancestor of the child; differs: of the same weights, what differs beside them, in words.
    """

    id: str
    relation: Relation
    decided_by: str
    reason: str
    probability: float | None = None
    bound: float | None = None
    share: float | None = None
    distance: float | None = None
    beside_scale: float | None = None
    is_final: bool = False
    no_ancestor: str = ""
    differs: Sequence[str] = ()
