"""Test, afterwards: whether the child is composed of layers of several candidates."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from lineage.auditing.stages.candidates import Candidate
from lineage.auditing.stages.child import Child
from lineage.auditing.stages.verdict import Verdict, Word
from lineage.relation.structure.composed import composed
from lineage.relation.structure.screen import SURE


def parts_of(child: Child, candidates: Sequence[Candidate]) -> dict[str, float]:
    """The candidates whose layers make up the child, with their shares; of copies the first. Empty if none do."""
    sizes = {name: math.prod(child.digest.shapes[name]) for name in child.digest.sketches}
    first = {candidate.copy_key: candidate for candidate in reversed(candidates)}
    belonging = {
        candidate.id: {
            name: test.similarity
            for name, test in candidate.tests.items()
            if test.log10_p <= SURE and name in sizes
        }
        for candidate in reversed(first.values())
    }
    return composed(belonging, sizes, {candidate.id: candidate.apart for candidate in candidates})


def as_parts(candidates: Sequence[Candidate], parts: Mapping[str, float]) -> list[Candidate]:
    """The candidates, with those that are parts of the child marked: what is the same in both is no fixed part."""
    return [
        replace(candidate, is_part=True) if candidate.id in parts else candidate for candidate in candidates
    ]


def of_parts(verdict: Verdict, parts: Mapping[str, float]) -> Verdict:
    """A verdict of several parents, whose layers make up the child."""
    if verdict.word is not Word.PARENT or verdict.parents != parts:
        return verdict
    said = ", ".join(f"{share:.0%} of {id}" for id, share in parts.items())
    return replace(
        verdict,
        decided_by="order of neurons, layer by layer",
        reason=f"its layers are those of several: {said}",
    )
