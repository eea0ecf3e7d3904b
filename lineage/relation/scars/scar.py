"""A scar: what time did to one of two relatives, and not to the other; so that one is not the other's ancestor."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class ScarKind(StrEnum):
    """What was done."""

    ZEROS = "pruned zeros"
    GRID = "values on a quantisation grid"
    HALF = "values in half precision"
    WIDENED = "rows or columns added"
    REPEATED = "layers repeated"
    ADAPTED = "adapters beside layers"
    MIXED = "weights of several mixed"


class Later(StrEnum):
    """The relative with the scar."""

    CANDIDATE = "candidate"
    CHILD = "child"

    @property
    def earlier(self) -> "Later":
        """The relative without it."""
        return Later.CHILD if self is Later.CANDIDATE else Later.CANDIDATE


@dataclass(frozen=True, kw_only=True)
class Scar:
    """A scar of one of two relatives.

    later: who has it; evidence: in which matrices, and how much of the difference it explains; forbids: whether the
    later one cannot be an ancestor of the earlier one; is_copy: whether the later one is the earlier one but for the
    scar, so that the earlier one is its source.
    """

    kind: ScarKind
    later: Later
    evidence: str
    forbids: bool = True
    is_copy: bool = False


def later_of(scars: Iterable[Scar]) -> Later | None:
    """The relative that is no ancestor of the other, by all scars that forbid; None without any.

    Where each of the two has a scar that the other lacks, neither is the other's ancestor, and this is None too:
    `no_ancestors` says so.
    """
    barred = no_ancestors(scars)
    return next(iter(barred)) if len(barred) == 1 else None


def no_ancestors(scars: Iterable[Scar]) -> frozenset[Later]:
    """Those of the two that cannot be an ancestor of the other."""
    return frozenset(scar.later for scar in scars if scar.forbids)


def source_of(scars: Iterable[Scar]) -> Later | None:
    """The relative of which the other is a pruned or rounded copy; None if it is no copy."""
    scars = list(scars)
    copies = {scar.later for scar in scars if scar.is_copy}
    return copies.pop().earlier if len(copies) == 1 and len(no_ancestors(scars)) == 1 else None
