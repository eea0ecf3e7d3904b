"""How far the closest candidate is from the others."""

import math
from collections.abc import Mapping, Sequence

from lineage.auditing.report.types import Margin
from lineage.auditing.stages.candidates import Candidate
from lineage.auditing.stages.place import Place
from lineage.auditing.stages.verdict import Verdict


def margin_of(
    candidates: Sequence[Candidate], verdict: Verdict, places: Mapping[str, Place]
) -> Margin | None:
    """The margin to the next and the farthest of the family, and to the most similar candidate outside it.

    Args:
        candidates: all that could be read; verdict: on the child.
        places: what is known of the candidates that were compared, by id.

    Returns:
        None without a family.
    """
    if verdict.closest is None:
        return None
    parted = {
        related.id: places[related.id].distance * math.sqrt(1 - related.share)
        for related in verdict.relatives
        if related.share is not None and related.id in places
    }
    others = [id for id in verdict.family if id in parted and id not in (verdict.closest, *verdict.copies)]
    farthest = max(others, key=parted.__getitem__, default=None)
    zs = {candidate.id: candidate.z for candidate in candidates if candidate.z is not None}
    outside = max(zs.keys() - set(verdict.family), key=zs.__getitem__, default=None)
    return Margin(
        parted=parted.get(verdict.closest),
        next=others[0] if others else None,
        next_parted=parted[others[0]] if others else None,
        farthest=farthest,
        farthest_parted=parted[farthest] if farthest else None,
        z=zs.get(verdict.closest),
        outside=outside,
        outside_z=zs[outside] if outside else None,
    )
