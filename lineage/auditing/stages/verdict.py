"""Decide: what the evidence says of a child and all its candidates, in one verdict.

The rule, in order (docs/audit.md gives the reasons):
1. no candidate has two matrices that can be tested → `cannot tell`, with what would help;
2. no candidate is dependent, at the level alpha over all candidates → `none of these`; but `cannot tell` if one
   shares a fixed part, or if too much of the child or of a candidate could not be read;
3. the closest has the same matrices but for rounding and a head → `same weights`;
4. a non-negative mixture of two or more explains the child much better than any one → `parent`, with their weights;
5. the closest is an ancestor, at the stated error, and accounts for most of what can be tested → `parent`;
6. else → `same family`: the closest is named, and what it is to the child as far as the weights show it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from lineage.auditing.stages.candidates import ELSEWHERE
from lineage.relation.multiple_testing import Level
from lineage.relation.relations import Related, Relation
from lineage.relation.sketch import Reason

MOST = 0.5
"""Share of the testable weights that has to come from a parent; a shared first layer alone is no parent."""
MIXED = "non-negative least squares"
"""What shows a merge."""
MOST_NAMED = 5
"""Candidates, or tensors, that a reason names."""


class Word(StrEnum):
    """What a verdict says."""

    SAME = "same weights"
    PARENT = "parent"
    FAMILY = "same family"
    NONE = "none of these"
    CANNOT_TELL = "cannot tell"


EXIT_CODES = {Word.SAME: 0, Word.PARENT: 0, Word.FAMILY: 6, Word.NONE: 3, Word.CANNOT_TELL: 4}
"""Of `lineage audit`; a file of an unsupported kind ends with 5 before there is a verdict."""


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What is known of one candidate.

    testable: matrices tested; log10_p: the candidate's own, of more than a fixed part that both hold; no_evidence:
    matrices that look dependent but are no evidence, and why; coverage: share of the testable weights in dependent
    matrices; distance: of weights, None if not dependent; conformal_p: share of all networks that look at least as
    related; copy: candidates of one `copy` have the same tensors.
    """

    id: str
    testable: int
    log10_p: float = 0.0
    no_evidence: Mapping[str, Reason] = field(default_factory=dict)
    coverage: float = 0.0
    distance: float | None = None
    conformal_p: float | None = None
    copy: str = ""

    @property
    def is_evidence(self) -> bool:
        """Whether the tests can say anything of the whole: one matrix alone cannot."""
        return self.testable > 1


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The three answers, each with its evidence: the family, the closest of it, and what that is to the child.

    word: the short form; family: ids of the candidates that the child is dependent on, closest first; closest: None
    without a family; copies: other candidates with the closest's tensors; relation, bound, probability: of the
    closest, see `lineage.relation.relations`; parent: only for `same weights` and `parent`; parents: weights of a
    mixture; log10_p: of the closest, over all candidates, and without a family the smallest; relatives: what each is
    to the child, closest first; helps: what would help.
    """

    word: Word
    decided_by: str
    reason: str
    family: Sequence[str] = ()
    closest: str | None = None
    copies: Sequence[str] = ()
    relation: Relation | None = None
    parent: str | None = None
    parents: Mapping[str, float] = field(default_factory=dict)
    bound: float | None = None
    probability: float | None = None
    log10_p: float | None = None
    relatives: Sequence[Related] = ()
    helps: Sequence[str] = ()

    @property
    def p_value(self) -> float | None:
        """The p-value; it may underflow to 0, log10_p does not."""
        return None if self.log10_p is None else 10.0**self.log10_p


def decide(
    evidence: Sequence[Evidence], relatives: Sequence[Related], merged: Mapping[str, float], level: Level
) -> Verdict:
    """The verdict over a child's candidates.

    Args:
        evidence: of every candidate that could be read.
        relatives: what each candidate that was compared is to the child, closest first.
        merged: weights of the parents of a mixture; empty if it is none.
        level: of the candidates' p-values.
    """
    tested = {candidate.id: candidate for candidate in evidence if candidate.is_evidence}
    if not tested:
        return _untested(evidence)
    corrected = {id: level.corrected(found.log10_p) for id, found in tested.items()}
    family = {id for id, found in tested.items() if found.log10_p <= level.limit}
    relatives = [relative for relative in relatives if relative.id in family]
    if not relatives:
        if fixed := [found for found in tested.values() if found.no_evidence]:
            return _of_fixed_parts(fixed)
        return Verdict(
            word=Word.NONE,
            decided_by="order of neurons",
            reason="no candidate is more alike than a random order of its neurons would be "
            "(neurons that someone reordered on purpose would hide a relation)",
            log10_p=min(corrected.values()),
        )
    is_merged = len(merged) >= 2 and relatives[0].relation is not Relation.SAME
    if is_merged:
        relatives = _beside_parts(relatives, merged)
    ordered = [relative.id for relative in relatives]
    shared = {
        "family": [*ordered, *sorted(family.difference(ordered))],
        "relatives": relatives,
    }
    if is_merged:
        heaviest = next(iter(merged))
        return Verdict(
            word=Word.PARENT,
            decided_by=MIXED,
            reason=" + ".join(f"{weight:.2f} x {name}" for name, weight in merged.items()),
            closest=heaviest,
            relation=Relation.PARENT,
            parent=heaviest,
            parents=merged,
            log10_p=corrected[heaviest],
            **shared,
        )
    closest = relatives[0]
    is_parent = closest.relation is Relation.SAME or (
        closest.relation is Relation.PARENT and tested[closest.id].coverage >= MOST
    )
    shared |= {
        "closest": closest.id,
        "copies": _copies(closest.id, tested),
        "bound": closest.bound,
        "probability": closest.probability,
        "log10_p": corrected[closest.id],
        "decided_by": ", then ".join(dict.fromkeys(("order of neurons", closest.decided_by))),
    }
    if is_parent:
        return Verdict(
            word=Word.SAME if closest.relation is Relation.SAME else Word.PARENT,
            reason=closest.reason,
            relation=closest.relation,
            parent=closest.id,
            parents={closest.id: 1.0},
            **shared,
        )
    is_part = closest.relation is Relation.PARENT
    return Verdict(
        word=Word.FAMILY,
        reason=f"only {tested[closest.id].coverage:.0%} of the testable weights come from it"
        if is_part
        else closest.reason,
        relation=Relation.UNDETERMINED if is_part else closest.relation,
        helps=() if closest.is_final else HELPS.get(closest.relation, MORE),
        **shared,
    )


def _beside_parts(relatives: Sequence[Related], merged: Mapping[str, float]) -> list[Related]:
    """What each relative is to a merge: its parts are its parents, the heaviest first, and no other one is."""
    by_id = {relative.id: relative for relative in relatives}
    parts = [
        replace(
            by_id[id],
            relation=Relation.PARENT,
            decided_by=MIXED,
            reason=f"{weight:.2f} of the child",
            probability=None,
            bound=None,
        )
        for id, weight in merged.items()
        if id in by_id
    ]
    others = [
        replace(relative, relation=Relation.ANCESTOR) if relative.relation is Relation.PARENT else relative
        for relative in relatives
        if relative.id not in merged
    ]
    return [*parts, *others]


def _untested(evidence: Sequence[Evidence]) -> Verdict:
    """The verdict where no candidate has two matrices that can be tested."""
    lone = any(candidate.testable for candidate in evidence)
    return Verdict(
        word=Word.CANNOT_TELL,
        decided_by="matching",
        reason="only one matrix could be tested, and one alone is no evidence"
        if lone
        else "no candidate has a matrix of hidden neurons in common with this checkpoint",
        helps=["give candidates of the same architecture", "give a checkpoint with its hidden layers"],
    )


def _of_fixed_parts(sharing: Sequence[Evidence]) -> Verdict:
    """The verdict where all that is shared with a candidate is the same in both."""
    most = max(sharing, key=lambda candidate: len(candidate.no_evidence))
    names = list(most.no_evidence)
    return Verdict(
        word=Word.CANNOT_TELL,
        decided_by="matrices that are the same in both",
        reason=f"all that this checkpoint shares with {most.id} is {len(names)} matrices that are the same in both, "
        f"from {names[0]} to {names[-1]}: a part that was frozen, or saved along, such as the network of a loss",
        helps=[f"see where {names[0]} comes from: if both had it from elsewhere, they are not related by it"],
    )


HELPS = {Relation.DESCENDANT: ["audit the candidates against this checkpoint"]}
MORE = ["give more candidates, among them the common ancestor"]
"""What would help where a relation is open, by the relation, and else."""


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more


def _copies(id: str, tested: Mapping[str, Evidence]) -> list[str]:
    """Other candidates with the same tensors."""
    copy = tested[id].copy
    return [found.id for found in tested.values() if copy and found.id != id and found.copy == copy]


def unless_incomplete(verdict: Verdict, left_out: Sequence[str]) -> Verdict:
    """`none of these` only where every candidate was tested; else `cannot tell`, which names those that were not.

    Args:
        verdict: over the candidates that were tested.
        left_out: ids of the candidates that could not be read or tested.
    """
    if verdict.word is not Word.NONE or not left_out:
        return verdict
    return replace(
        verdict,
        word=Word.CANNOT_TELL,
        reason=f"no candidate that was tested is related, but {_listed(left_out)} could not be read or tested",
        helps=["give candidates that can be read and are of the same architecture, or leave the others out"],
    )


def unless_unread(verdict: Verdict, unread: Sequence[str], share: float) -> Verdict:
    """`none of these` only of a child of which enough was read; else `cannot tell`, which names what was left out.

    Args:
        verdict: over its candidates, by what was read.
        unread: the child's tensors that were left out; share: of its weights that they may be, but for a head.
    """
    if verdict.word is not Word.NONE or share < ELSEWHERE:
        return verdict
    return replace(
        verdict,
        word=Word.CANNOT_TELL,
        reason="no candidate is related to what was read of this checkpoint, but up to "
        f"{share:.0%} of its weights were left out: {_listed(unread)}",
        helps=[
            "give the checkpoint with all its weights as real numbers, or with the scales of its quantised ones"
        ],
    )


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
