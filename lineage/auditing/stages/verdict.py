"""Decide, second part: what the evidence says, in one of five verdicts, and why.

The rule, in order (docs/audit.md gives the reasons):
1. no candidate could be compared → `cannot tell`, with what would help;
2. no candidate is dependent, at the level alpha over all candidates → `none of these`;
3. a candidate has the same tensors but for rounding and a head → `same weights`;
4. a non-negative mixture of two or more explains the child much better than any one → `parent`, with their weights;
5. a candidate is the nearest ancestor, and accounts for most of what can be tested → `parent`;
6. else → `related, direction unclear`.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from lineage.relation.direction import Reading

MOST = 0.5
"""Share of the testable weights that has to come from a parent; a shared first layer alone is no parent."""


class Word(StrEnum):
    """What a verdict says."""

    SAME = "same weights"
    PARENT = "parent"
    RELATED = "related, direction unclear"
    NONE = "none of these"
    CANNOT_TELL = "cannot tell"


EXIT_CODES = {Word.SAME: 0, Word.PARENT: 0, Word.RELATED: 0, Word.NONE: 3, Word.CANNOT_TELL: 4}
"""Of `lineage audit`; a file of an unsupported kind ends with 5 before there is a verdict."""


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What is known of one candidate.

    testable: matrices tested; log10_p: for at least two dependent matrices (or the only one); coverage: share of the
    testable weights in dependent matrices; distance: of weights, None if not dependent; is_same: all but the head
    equal to rounding; reading: None if nothing shows it; found_from: the earlier ancestor from which the search found
    this one, where it did; conformal_p: share of all networks that look at least as related.
    """

    id: str
    testable: int
    log10_p: float = 0.0
    coverage: float = 0.0
    distance: float | None = None
    is_same: bool = False
    reading: Reading | None = None
    is_nearest_ancestor: bool = False
    found_from: str | None = None
    conformal_p: float | None = None


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The word, the parent, the p-value as log10 over all candidates, which method decided, and what would help."""

    word: Word
    decided_by: str
    reason: str
    parent: str | None = None
    parents: Mapping[str, float] = field(default_factory=dict)
    log10_p: float | None = None
    helps: Sequence[str] = ()

    @property
    def p_value(self) -> float | None:
        """The p-value; it may underflow to 0, log10_p does not."""
        return None if self.log10_p is None else 10.0**self.log10_p


def decide(evidence: Sequence[Evidence], merged: Mapping[str, float], alpha: float) -> Verdict:
    """The verdict over a child's candidates.

    Args:
        evidence: of every candidate that could be read.
        merged: weights of the parents of a mixture; empty if it is none.
        alpha: the false-positive rate.
    """
    tested = [candidate for candidate in evidence if candidate.testable]
    if not tested:
        return Verdict(
            word=Word.CANNOT_TELL,
            decided_by="matching",
            reason="no candidate has a matrix of hidden neurons in common with this checkpoint",
            helps=["give candidates of the same architecture", "give a checkpoint with its hidden layers"],
        )
    log10_count = math.log10(len(tested))
    log10_p = min(0.0, min(candidate.log10_p for candidate in tested) + log10_count)
    related = [candidate for candidate in tested if candidate.log10_p + log10_count <= math.log10(alpha)]
    if not related:
        return Verdict(
            word=Word.NONE,
            decided_by="order of neurons",
            reason="no candidate is more alike than a random order of its neurons would be "
            "(neurons that someone reordered on purpose would hide a relation)",
            log10_p=log10_p,
        )
    if same := [candidate for candidate in related if candidate.is_same]:
        return Verdict(
            word=Word.SAME,
            decided_by="order of neurons",
            reason="all tensors but the head are equal to rounding",
            parent=same[0].id,
            log10_p=log10_p,
        )
    if len(merged) >= 2:
        return Verdict(
            word=Word.PARENT,
            decided_by="non-negative least squares",
            reason=" + ".join(f"{weight:.2f} x {name}" for name, weight in merged.items()),
            parent=next(iter(merged)),
            parents=merged,
            log10_p=log10_p,
        )
    nearest = next((candidate for candidate in related if candidate.is_nearest_ancestor), None)
    if nearest is not None and nearest.coverage >= MOST:
        return _parent(nearest, log10_p)
    return _unclear(related, nearest, log10_p)


def withheld(unrelated: str) -> Verdict:
    """The verdict where a network that is given as unrelated is dependent on the child."""
    return Verdict(
        word=Word.CANNOT_TELL,
        decided_by="unrelated networks",
        reason=f"{unrelated} is given as unrelated, but is as dependent on the child as a relative",
        helps=[
            "take it from the unrelated ones, if it is a relative",
            "fix its rows' order, if it is a table",
        ],
    )


def _parent(nearest: Evidence, log10_p: float) -> Verdict:
    if nearest.found_from:
        method = "weight updates over an ancestor"
        reason = f"{nearest.found_from} is an ancestor, and the child contains what the candidate added to it"
    else:
        method = "retained directions"
        reason = "the child keeps the candidate's strongest directions and adds its own"
    return Verdict(
        word=Word.PARENT,
        decided_by=f"order of neurons, then {method}",
        reason=reason,
        parent=nearest.id,
        parents={nearest.id: 1.0},
        log10_p=log10_p,
    )


def _unclear(related: Sequence[Evidence], nearest: Evidence | None, log10_p: float) -> Verdict:
    """Why relatives are no parents."""
    helps = ["give more candidates, among them the common ancestor"]
    if nearest is not None:
        reason = (
            f"only {nearest.coverage:.0%} of the testable weights come from {nearest.id}, the nearest candidate "
            "that is an ancestor"
        )
    elif all(candidate.reading is Reading.CHILD_FIRST for candidate in related):
        reason = "the child came before the candidates: they look like its descendants"
        helps = ["audit the candidates against this checkpoint"]
    else:
        reason = (
            "each has strong directions that the other lacks, as with a common ancestor or initialisation"
        )
    return Verdict(
        word=Word.RELATED, decided_by="retained directions", reason=reason, helps=helps, log10_p=log10_p
    )
