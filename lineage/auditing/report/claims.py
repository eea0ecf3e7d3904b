"""A claimed parent beside the verdict."""

import math
from collections.abc import Mapping, Sequence

from scipy.special import gammaln

from lineage.auditing.report.headline import same_as
from lineage.auditing.report.types import Claim, ClaimState
from lineage.auditing.stages.candidates import Candidate, level_of
from lineage.auditing.stages.verdict import Verdict, Word
from lineage.checkpoints.several import MEMBER
from lineage.relation.multiple_testing import combined
from lineage.relation.relations import Related, Relation


def claim_of(
    claimed: str,
    verdict: Verdict,
    candidates: Sequence[Candidate],
    refused: Mapping[str, str],
    alpha: float,
) -> Claim | None:
    """What a verdict says of a claimed parent; None without a claim.

    A claim is contradicted where the claimed candidate was tested and is independent of the child, where it looks
    like a descendant and scars show that it is no ancestor, and where another is named the parent with a bound that
    leaves no room for it: if the child branched off within b of its own change from a model, its parent is nearer to
    it than 1 / (1 - b) times that model's distance, plain or beside the scale of each matrix. Else a relative may be
    the parent, or where the child is that model, pruned or quantised, what the model was trained from.

    Args:
        claimed: the id; verdict: on the child.
        candidates: tested; refused: why a source cannot be read, by its id.
        alpha: the false-positive rate.
    """
    if not claimed:
        return None
    found = next((candidate for candidate in candidates if candidate.id == claimed), None)
    state, reason = _state(claimed, found, verdict, refused, level_of(candidates, alpha).limit)
    return Claim(parent=claimed, state=state, reason=reason)


def _state(
    claimed: str, found: Candidate | None, verdict: Verdict, refused: Mapping[str, str], limit: float
) -> tuple[ClaimState, str]:
    if found is None:
        reason = refused.get(
            claimed.partition(MEMBER)[0], "it is not among the candidates that were compared"
        )
        return ClaimState.UNDETERMINED, reason
    of_claimed = next((related for related in verdict.relatives if related.id == claimed), None)
    if verdict.word is Word.SAME and of_claimed and of_claimed.relation is Relation.SAME:
        return ClaimState.SUPPORTED, f"it has {same_as('the child', of_claimed.differs)}"
    if claimed in verdict.parents or claimed == verdict.parent:
        return ClaimState.SUPPORTED, f"it is named: {verdict.word}"
    if verdict.parent and claimed in verdict.copies:
        return ClaimState.SUPPORTED, f"it is a copy of {verdict.closest}, which is named: {verdict.word}"
    if not found.is_evidence:
        return ClaimState.UNDETERMINED, "it has too little in common with the child to be tested"
    if claimed not in verdict.family:
        return _of_independent(found, verdict, limit)
    if of_claimed is None:
        return ClaimState.UNDETERMINED, "it is of the child's family, but was not compared with it"
    return _of_relative(of_claimed, verdict)


def _of_relative(claimed: Related, verdict: Verdict) -> tuple[ClaimState, str]:
    """Of a relative that is not named."""
    is_later = claimed.relation is Relation.DESCENDANT
    if is_later and claimed.no_ancestor:
        return ClaimState.CONTRADICTED, f"it is a descendant of the child: {claimed.no_ancestor}"
    if verdict.parent is None:
        return (
            ClaimState.UNDETERMINED,
            f"it is of the child's family, and no parent is named; its relation: {claimed.relation}",
        )
    named = " and ".join(verdict.parents) or verdict.parent
    are = "are" if len(verdict.parents) > 1 else "is"
    is_no_parent = is_later or claimed.relation is Relation.SIBLING
    if is_no_parent or len(verdict.parents) > 1 or not _has_room(claimed, verdict):
        return (
            ClaimState.CONTRADICTED,
            f"{named} {are} named ({verdict.word}); the claimed one is of the same family, its relation: "
            f"{claimed.relation}",
        )
    room = "what that one was trained from" if verdict.bound == 0 else "where the child branched off"
    return (
        ClaimState.UNDETERMINED,
        f"{named} {are} named ({verdict.word}), but the claimed one is of the same family too, and may be {room}",
    )


def _has_room(claimed: Related, verdict: Verdict) -> bool:
    """Whether a relative may be the parent though another is named: that one is the child, changed, or as far."""
    if verdict.word is Word.SAME or not verdict.bound or verdict.bound >= 1:
        return True
    named = next(related for related in verdict.relatives if related.id == verdict.closest)
    pairs = ((claimed.distance, named.distance), (claimed.beside_scale, named.beside_scale))
    return any(
        own is not None and others is not None and own <= others / (1 - verdict.bound)
        for own, others in pairs
    )


def _of_independent(found: Candidate, verdict: Verdict, limit: float) -> tuple[ClaimState, str]:
    """Of a candidate that is not of the family; where the tests are in doubt, there is no p-value."""
    if verdict.log10_p is None:
        return ClaimState.UNDETERMINED, f"there is no verdict: {verdict.reason}"
    if found.no_evidence(limit):
        return ClaimState.UNDETERMINED, "what it shares with the child is a fixed part, which is no evidence"
    if has_dependent_matrix(found, limit):
        return (
            ClaimState.UNDETERMINED,
            "one matrix alone is dependent on it, which neither shows nor excludes descent",
        )
    if least_p(found) > limit:
        return ClaimState.UNDETERMINED, "it has too few neurons in common with the child for any evidence"
    return (
        ClaimState.CONTRADICTED,
        f"it is independent of the child (log10 p {found.log10_p:.1f}), unless neurons were reordered",
    )


def has_dependent_matrix(candidate: Candidate, limit: float) -> bool:
    """Whether one matrix at least is dependent, at the limit over all that were tested."""
    return combined([test.log10_p for test in candidate.tests.values()], at_least=1) <= limit


def least_p(candidate: Candidate) -> float:
    """log10 of the smallest p-value that the matrices in common could give: 1/n! each, for n rows."""
    floors = [-float(gammaln(test.rows + 1)) / math.log(10) for test in candidate.tests.values()]
    return combined(floors)
