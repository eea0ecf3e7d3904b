"""The audit of one child against its candidates, from weights alone: read, test, compare, decide.

First every candidate's digest is tested against the child's, one at a time; then only those that are not independent
of it are opened, and compared tensor by tensor.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from lineage.auditing.direction import shipped
from lineage.auditing.stages.candidates import Candidate, Level
from lineage.auditing.stages.child import Child, read_child
from lineage.auditing.stages.comparing import Opener, compare_relatives, mixture_of
from lineage.auditing.stages.composing import as_parts, of_parts, parts_of
from lineage.auditing.stages.describing import places_of
from lineage.auditing.stages.evidence import evidence_of
from lineage.auditing.stages.layers import layer_origins
from lineage.auditing.stages.relating import Direction, Place, relate
from lineage.auditing.stages.testing import Known, Tested, run_tests
from lineage.auditing.stages.verdict import Evidence, Verdict, decide, unless_incomplete, withheld
from lineage.checkpoints.find import Source
from lineage.errors import UserError
from lineage.index.digest import DigestCache
from lineage.progress import Tracked, untracked
from lineage.relation.layers import LayerOrigin
from lineage.relation.mixture import Mixture
from lineage.relation.relations import Relation


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How to audit: alpha, the false-positive rate; follow: links out of the folders; claimed: a
    claimed parent; direction: another model of direction than the shipped one."""

    alpha: float = 0.01
    follow: bool = False
    claimed: str = ""
    direction: Direction | None = None

    def __post_init__(self):
        if not 0 < self.alpha < 1:
            raise UserError(f"alpha: expected a rate between 0 and 1, got {self.alpha}")


@dataclass(frozen=True, kw_only=True)
class Audit:
    """What each stage found.

    candidates, unrelated: tested; refused: why a source cannot be read, by its id; places: of the relatives, most
    similar first; evidence: of every candidate, empty where the verdict is withheld; layers: of the child's matrices.
    """

    settings: Settings
    child: Child
    candidates: Sequence[Candidate]
    unrelated: Sequence[Candidate]
    refused: dict[str, str]
    places: Sequence[Place]
    mixture: Mixture | None
    evidence: Sequence[Evidence]
    verdict: Verdict
    layers: Sequence[LayerOrigin]


def audit_sources(
    child_path: str,
    candidates: Sequence[Source],
    unrelated: Sequence[Source] = (),
    *,
    settings: Settings = Settings(),
    cache: DigestCache | None = None,
    known: Known | None = None,
    tracked: Tracked = untracked,
) -> Audit:
    """Audits one child against its candidates, and networks known to be unrelated.

    Args:
        child_path: its file, as `FILE` or `FILE::ID`.
        candidates: possible parents; unrelated: networks that are none for sure, a second null.
        settings: how; cache: of digests; tracked: says how far it is.
        known: tests of earlier jobs, by the candidate's id.

    Raises:
        UserError: for a child that cannot be read, or if no candidate can.
    """
    cache = cache or DigestCache(None)
    child = read_child(child_path, cache, follow=settings.follow)

    def test(sources: Sequence[Source]) -> Tested:
        return run_tests(child, sources, cache, follow=settings.follow, known=known, tracked=tracked)

    tested, outside = test(candidates), test(unrelated) if unrelated else Tested([], {})
    refused = tested.refused | outside.refused
    if not tested.candidates:
        raise UserError(
            next(iter(refused.values()), f"{child_path}: is the only candidate for itself; give others")
        )
    parts = parts_of(child, tested.candidates)
    found = as_parts(tested.candidates, parts)
    level = Level.over(found, settings.alpha)

    relatives = compare_relatives(child, found, level.limit, Opener(follow=settings.follow), tracked)
    settled = {relative.id: relative.candidate for relative in relatives}
    all_tested = [settled.get(candidate.id, candidate) for candidate in found]
    places = places_of(child, relatives)
    related = relate(places, settings.direction or shipped())
    descendants = {found.id for found in related if found.relation is Relation.DESCENDANT}
    mixture = mixture_of(child, relatives, descendants)
    merged = mixture.parents if mixture and mixture.is_merge else parts
    evidence = []
    if contradicting := dependent_of(outside.candidates, settings.alpha):
        verdict = withheld(contradicting.id)
    else:
        evidence = evidence_of(child, all_tested, outside.candidates, relatives, level.limit)
        untested = [candidate.id for candidate in all_tested if not candidate.is_evidence]
        verdict = unless_incomplete(
            of_parts(decide(evidence, related, merged, level), parts),
            [*tested.refused, *untested],
        )
    return Audit(
        settings=settings,
        child=child,
        candidates=all_tested,
        unrelated=outside.candidates,
        refused=refused,
        places=places,
        mixture=mixture,
        evidence=evidence,
        verdict=verdict,
        layers=layer_origins(child, all_tested, relatives, verdict.closest, level.limit),
    )


def dependent_of(unrelated: Sequence[Candidate], alpha: float) -> Candidate | None:
    """The network given as unrelated that is most dependent on the child, if at the level alpha over all of them."""
    if not unrelated:
        return None
    most = min(unrelated, key=lambda candidate: candidate.log10_p)
    return most if most.log10_p <= Level.over(unrelated, alpha).limit else None
