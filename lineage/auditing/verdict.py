"""What the evidence says, in one of six words, and why.

The rule, in order (docs/audit.md gives the reasons):
1. no candidate could be compared → `cannot tell`, with what would help;
2. no candidate is dependent, at the level asked for over all candidates → `none of these`;
3. a candidate has the same tensors but for rounding and a head → `same weights`;
4. a non-negative mixture of two or more explains the child much better than any one → `parent`, with their weights;
5. a candidate came first, and holds most of what can be tested → `parent`;
6. else → `related, direction unclear`.
"""

import math
from dataclasses import dataclass, field

SAME = "same weights"
PARENT = "parent"
RELATED = "related, direction unclear"
NONE = "none of these"
CANNOT_TELL = "cannot tell"
UNSUPPORTED = "unsupported"
EXIT_CODES = {SAME: 0, PARENT: 0, RELATED: 0, NONE: 3, CANNOT_TELL: 4, UNSUPPORTED: 5}
MOST = 0.5
"""Share of the testable weights that has to come from a parent; a shared first layer alone is no parent."""


@dataclass
class Evidence:
    """What is known of one candidate.

    log10_p: for at least two dependent matrices (or the lone one); coverage: share of the testable weights
    in dependent matrices; is_same: all but the head equal to rounding; reading: of `direction.Direction`, None if
    not looked at; found_by: the ancestor whose way to the child this one lies on, where that showed it.
    """

    id: str
    testable: int
    log10_p: float = 0.0
    coverage: float = 0.0
    distance: float | None = None
    is_same: bool = False
    reading: str | None = None
    is_nearest_ancestor: bool = False
    found_by: str | None = None
    conformal_p: float | None = None


@dataclass
class Verdict:
    """The word, the parent, the p-value as log10 over all candidates, which method decided, and help."""

    word: str
    parent: str | None = None
    parents: dict[str, float] = field(default_factory=dict)
    log10_p: float | None = None
    decided_by: str = ""
    reason: str = ""
    helps: list[str] = field(default_factory=list)

    @property
    def p_value(self) -> float | None:
        """The p-value; it may underflow to 0, log10_p does not."""
        return None if self.log10_p is None else 10.0**self.log10_p


def decide(evidence: list[Evidence], merged: dict[str, float], alpha: float) -> Verdict:
    """The verdict over a child's candidates.

    Args:
        evidence: of every candidate that could be read.
        merged: weights of the parents of a mixture; empty if it is none.
        alpha: the false-positive rate.
    """
    tested = [one for one in evidence if one.testable]
    if not tested:
        return Verdict(
            CANNOT_TELL,
            decided_by="matching",
            reason="no candidate has a matrix of hidden neurons in common with this checkpoint",
            helps=["give candidates of the same architecture", "give a checkpoint with its hidden layers"],
        )
    best = min(tested, key=lambda one: one.log10_p)
    log10_p = min(0.0, best.log10_p + math.log10(len(tested)))
    related = [one for one in tested if one.log10_p + math.log10(len(tested)) <= math.log10(alpha)]
    common = {"log10_p": log10_p, "decided_by": "order of neurons"}
    if not related:
        return Verdict(
            NONE,
            reason="no candidate is more alike than a random order of its neurons would be "
            "(neurons that someone reordered on purpose would hide a relation)",
            **common,
        )
    if same := [one for one in related if one.is_same]:
        return Verdict(
            SAME, parent=same[0].id, reason="all tensors but the head are equal to rounding", **common
        )
    if len(merged) >= 2:
        first = next(iter(merged))
        return Verdict(
            PARENT,
            parent=first,
            parents=merged,
            log10_p=log10_p,
            decided_by="non-negative least squares",
            reason=" + ".join(f"{weight:.2f} x {name}" for name, weight in merged.items()),
        )
    ancestors = [one for one in related if one.is_nearest_ancestor]
    if ancestors and ancestors[0].coverage >= MOST:
        nearest = ancestors[0]
        return Verdict(
            PARENT,
            parent=nearest.id,
            parents={nearest.id: 1.0},
            log10_p=log10_p,
            decided_by="order of neurons, then "
            + ("news held over an ancestor" if nearest.found_by else "retained directions"),
            reason=f"{nearest.found_by} came first, and the child holds what the candidate added to it"
            if nearest.found_by
            else "the child keeps the candidate's strongest directions and adds its own",
        )
    return Verdict(RELATED, **_why_unclear(related, ancestors), log10_p=log10_p)


def _why_unclear(related: list[Evidence], ancestors: list[Evidence]) -> dict:
    """Why relatives are no parents."""
    help_ = ["give more candidates, among them the common ancestor"]
    if ancestors:
        share, name = f"{ancestors[0].coverage:.0%}", ancestors[0].id
        reason = f"only {share} of the testable weights come from {name}, the only candidate that came first"
    elif all(one.reading == "child first" for one in related):
        reason = "the child came before the candidates: they look like its descendants"
        help_ = ["audit the candidates against this checkpoint"]
    else:
        reason = (
            "each has strong directions that the other lacks, as with a common ancestor or initialisation"
        )
    return {"reason": reason, "decided_by": "retained directions", "helps": help_}
