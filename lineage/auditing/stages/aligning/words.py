"""What alignment undid, and what the verdict says of it."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from lineage.auditing.stages.aligning.aligned import Aligned
from lineage.auditing.stages.verdict import Verdict, Word
from lineage.relation.alignment.align import Alignment, Undone

NEITHER = (
    "no candidate is more alike than a random order of its neurons would be, and none of the {tried} that were \
aligned is closer than independent networks are"
)
UNITS = {"neurons": "neurons", "stream": "residual stream", "queries": "queries and keys", "values": "values"}
"""What groups of transformers are called; others hold neurons or channels."""


def explained(verdict: Verdict, aligned: Aligned) -> Verdict:
    """The verdict with a reason that says what was undone, or that nothing could be."""
    if verdict.word is Word.NONE:
        reason = NEITHER.format(tried=aligned.tried) if aligned.tried else verdict.reason
        return replace(verdict, reason=reason + _not_aligned(aligned))
    closest = aligned.found.get(verdict.closest or "")
    if closest is None:
        return verdict
    return replace(
        verdict,
        decided_by=f"{closest.null}, after alignment; {verdict.decided_by.removeprefix('order of neurons, ')}",
        reason=f"with {' and '.join(undone_in_words(closest.alignment)) or 'nothing'} undone, {verdict.reason}",
    )


def _not_aligned(aligned: Aligned) -> str:
    """What of the candidates could not be aligned, so that reordered neurons would hide a relation."""
    if not aligned.refused:
        return ""
    id, reason = next(iter(aligned.refused.items()))
    return f"; {len(aligned.refused)} could not be aligned, so reordered neurons would hide a relation ({id}: {reason})"


def undone_in_words(alignment: Alignment) -> list[str]:
    """What had to be undone, as `neurons of 3 layers reordered and rescaled`."""
    return list(_undone(alignment))


def _undone(alignment: Alignment) -> Iterator[str]:
    counts: Counter[tuple[str, tuple[Undone, ...]]] = Counter()
    for id, done in alignment.undone.items():
        counts[_units(id), tuple(done)] += 1
    for (units, done), count in counts.items():
        said = " and ".join(done)
        if units in ("residual stream", "norms' factors"):
            yield f"the {units} {said}"
        else:
            yield f"{units} of {count} layer{'s' if count > 1 else ''} {said}"
    if alignment.is_turned:
        yield "the residual stream rotated"
    if alignment.left_out:
        yield f"{alignment.left_out} block{'s' if alignment.left_out > 1 else ''} left out"


def _units(id: str) -> str:
    if id == "norms":
        return "norms' factors"
    return UNITS.get(id.rpartition(".")[2], "neurons")
