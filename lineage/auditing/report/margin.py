"""How far the closest candidate is from the others."""

from collections.abc import Mapping, Sequence

from lineage.auditing.report.types import Margin
from lineage.auditing.stages.candidates import Candidate
from lineage.auditing.stages.verdict import Verdict


def margin_of(
    candidates: Sequence[Candidate], verdict: Verdict, distances: Mapping[str, float]
) -> Margin | None:
    """The margin to the next and the farthest of the family, and to the most similar candidate outside it.

    Args:
        candidates: all that could be read; verdict: on the child.
        distances: of the weights, by id, of the candidates that were compared.

    Returns:
        None without a family.
    """
    if verdict.closest is None:
        return None
    others = [id for id in verdict.family if id in distances and id not in (verdict.closest, *verdict.copies)]
    farthest = max(others, key=distances.__getitem__, default=None)
    zs = {candidate.id: candidate.z for candidate in candidates if candidate.z is not None}
    outside = max(zs.keys() - set(verdict.family), key=zs.__getitem__, default=None)
    return Margin(
        distance=distances.get(verdict.closest),
        next=others[0] if others else None,
        next_distance=distances[others[0]] if others else None,
        farthest=farthest,
        farthest_distance=distances[farthest] if farthest else None,
        z=zs.get(verdict.closest),
        outside=outside,
        outside_z=zs[outside] if outside else None,
    )
