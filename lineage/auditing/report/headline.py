"""A verdict as a sentence that an auditor can quote."""

import math
from collections.abc import Mapping, Sequence

from lineage.auditing.stages.verdict import Verdict, Word
from lineage.relation.relations import Relation

RELATIONS = {
    Relation.PARENT: "it may be the parent, but not at the stated error",
    Relation.ANCESTOR: "an ancestor, not known to be the parent",
    Relation.DESCENDANT: "a descendant of this network",
    Relation.SIBLING: "a sibling or cousin: both come from a common ancestor",
    Relation.INITIALISATION: "both were trained from the same initialisation",
    Relation.UNDETERMINED: "relation undetermined",
}
"""What is said of the closest candidate where no parent is named."""
NAMED = 3
"""Members of a family that the sentence names."""


def headline_of(child: str, verdict: Verdict, candidates: int) -> str:
    """What was found, in one sentence.

    Args:
        child: as the user calls it; verdict: on it; candidates: how many there were.
    """
    if verdict.word is Word.SAME:
        return f"{child} has {_same_as(verdict)}."
    if verdict.word is Word.PARENT and len(verdict.parents) > 1:
        return f"{child} is a mixture of {mixed(verdict.parents)}."
    if verdict.word is Word.PARENT and verdict.bound == 0:
        return f"{child} is {_closest(verdict)}, changed afterwards: {verdict.reason}."
    if verdict.word is Word.PARENT:
        nearly = f", or from a model {within(verdict.bound)} from it" if is_informative(verdict.bound) else ""
        return f"{child} was fine-tuned from {_closest(verdict)}{nearly}{_surely(verdict)}."
    if verdict.word is Word.FAMILY:
        relation = verdict.relation or Relation.UNDETERMINED
        is_descendant, branched = relation is Relation.DESCENDANT, ""
        if is_informative(verdict.bound) and not is_descendant:
            branched = f"; it branched off {within(verdict.bound)} from {verdict.closest}"
        return (
            f"{child} is {'of' if is_descendant else 'derived from'} the same family as {listed(verdict.family)}; "
            f"closest: {_closest(verdict)}; {RELATIONS[relation]}{_surely(verdict)}{branched}."
        )
    if verdict.word is Word.NONE:
        among = "The one candidate is not" if candidates == 1 else f"None of the {candidates} candidates is"
        return f"{among} related to {child}, as far as the order of neurons shows."
    return f"Whether {child} comes from one of the candidates cannot be told: {verdict.reason}."


def mixed(parents: Mapping[str, float]) -> str:
    """The parents of a mixture with their weights."""
    return " + ".join(f"{weight:.2f} {parent}" for parent, weight in parents.items())


def within(bound: float) -> str:
    """A bound in words, rounded up; without the candidate's name."""
    return f"within {math.ceil(100 * bound - 1e-9)} % of its own change"


def is_informative(bound: float | None) -> bool:
    """Whether a bound says more than that there is a common ancestor."""
    return bound is not None and bound < 1


def listed(ids: Sequence[str], most: int = NAMED) -> str:
    """Some ids, and how many more there are."""
    more = f" and {len(ids) - most} more" if len(ids) > most else ""
    return ", ".join(ids[:most]) + more


def _closest(verdict: Verdict) -> str:
    if not verdict.copies:
        return str(verdict.closest)
    are = "is a copy" if len(verdict.copies) == 1 else "are copies"
    return f"{verdict.closest} ({listed(verdict.copies)} {are} of it)"


def _same_as(verdict: Verdict) -> str:
    """What the child has in common with the closest, and with others that are no copies of it; and what differs."""
    same = {found.id: tuple(found.differs) for found in verdict.relatives if found.relation is Relation.SAME}
    alike = {same.get(verdict.closest or "", ()): [str(verdict.closest)]}
    for id, differs in same.items():
        if id not in (verdict.closest, *verdict.copies):
            alike.setdefault(differs, []).append(id)
    return ", and ".join(_in_common(verdict, ids, differs) for differs, ids in alike.items())


def _in_common(verdict: Verdict, ids: Sequence[str], differs: Sequence[str]) -> str:
    """What the child has in common with candidates from which it differs in one way."""
    named = [_closest(verdict) if id == verdict.closest else id for id in ids[:NAMED]]
    more = [f"{len(ids) - NAMED} more"] if len(ids) > NAMED else []
    return same_as(" and as ".join([*named, *more]), differs)


def same_as(whom: str, differs: Sequence[str]) -> str:
    """What two networks have in common whose matrices are the same, and what differs: of a, b or c each."""
    if not differs:
        return f"the same weights as {whom}"
    either = " or ".join(filter(None, (", ".join(differs[:-1]), differs[-1])))
    return f"the same matrices as {whom}, but not the same {either}"


def _surely(verdict: Verdict) -> str:
    """The probability of a relation that is determined."""
    if verdict.probability is None or verdict.relation in (None, Relation.UNDETERMINED):
        return ""
    return f" (probability {shown(verdict.probability)})"


def shown(probability: float) -> str:
    """A probability in two digits; what would round to 0 or 1 is said to be less or more than what is next to it."""
    if probability >= 0.995:
        return "> 0.99"
    return "< 0.01" if probability < 0.005 else f"{probability:.2f}"
