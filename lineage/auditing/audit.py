"""The audit of one child against its candidates, from weights alone: read, test, compare, decide.

First every candidate's digest is tested against the child's, one at a time; then only those that are not independent
of it are opened, and compared tensor by tensor. Where nothing is found so, candidates are aligned with the child
first.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from lineage.auditing.decoys import shipped as shipped_decoys
from lineage.auditing.direction import shipped
from lineage.auditing.stages.adapters import of_adapter, with_bases
from lineage.auditing.stages.aligning.aligned import Aligned, aligned_candidates, is_needed, of_aligned
from lineage.auditing.stages.aligning.copies import without_copies
from lineage.auditing.stages.aligning.words import explained
from lineage.auditing.stages.candidates import Candidate, Relative, level_of
from lineage.auditing.stages.child import Child, read_child
from lineage.auditing.stages.comparing import Opened, Opener, compare_relatives, mixture_of, with_resized
from lineage.auditing.stages.describing import places_of
from lineage.auditing.stages.evidence import as_parts, evidence_of, of_parts, parts_of
from lineage.auditing.stages.layers import layer_origins
from lineage.auditing.stages.place import Place
from lineage.auditing.stages.relating import relate
from lineage.auditing.stages.testing import Known, Tested, run_tests, share_unread
from lineage.auditing.stages.thirds.passing import Direction, Passing
from lineage.auditing.stages.thirds.together import Computed, Together
from lineage.auditing.stages.verdict import (
    Evidence,
    Verdict,
    decide,
    unless_incomplete,
    unless_unread,
    withheld,
)
from lineage.checkpoints.find import Source
from lineage.errors import UserError
from lineage.index.digest import DigestCache
from lineage.index.workers import one_thread
from lineage.progress import Tracked, untracked
from lineage.relation.layers import LayerOrigin
from lineage.relation.matching import Matching
from lineage.relation.mixture import Mixture
from lineage.relation.multiple_testing import Level
from lineage.relation.relations import Relation


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How to audit: alpha, the false-positive rate; follow: links out of the folders; claimed: a
    claimed parent; direction: another model of direction than the shipped one; undisguise: whether candidates are
    aligned where nothing is found as the weights are."""

    alpha: float = 0.01
    follow: bool = False
    claimed: str = ""
    direction: Direction | None = None
    undisguise: bool = True

    def __post_init__(self):
        if not 0 < self.alpha < 1:
            raise UserError(f"alpha: expected a rate between 0 and 1, got {self.alpha}")


@dataclass(frozen=True, kw_only=True)
class Judged:
    """What was found of candidates, as they are or aligned.

    candidates: tested; places: of the relatives, most similar first; together: those of them that were compared with
    each other; evidence: of every candidate, empty where the verdict is withheld; layers: of the child's matrices.
    """

    candidates: Sequence[Candidate]
    places: Sequence[Place]
    together: Together
    mixture: Mixture | None
    evidence: Sequence[Evidence]
    verdict: Verdict
    layers: Sequence[LayerOrigin]


@dataclass(frozen=True, kw_only=True)
class Audit(Judged):
    """What each stage found.

    unrelated: tested; refused: why a source cannot be read, by its id; as_is: the verdict on the weights as they are;
    aligned: what alignment gave where that found nothing.
    """

    settings: Settings
    child: Child
    unrelated: Sequence[Candidate]
    refused: dict[str, str]
    as_is: Verdict
    aligned: Aligned | None


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
    auditor = Auditor(child_path, settings=settings, cache=cache, known=known, tracked=tracked)
    return auditor.audit(candidates, unrelated)


class Auditor:
    """Audits one child, among some candidates and then among others: what a pair shows is computed once.

    Args and raises: as `audit_sources`.
    """

    def __init__(
        self,
        child_path: str,
        *,
        settings: Settings = Settings(),
        cache: DigestCache | None = None,
        known: Known | None = None,
        tracked: Tracked = untracked,
    ):
        self._path, self._settings, self._cache = child_path, settings, cache or DigestCache(None)
        self._known, self._tracked = dict(known or {}), tracked
        self._child = read_child(child_path, self._cache, follow=settings.follow, tracked=tracked)
        self._opened = Opener(follow=settings.follow)
        self._compared: dict[str, Relative] = {}
        self._computed = Computed()
        self._apart: dict[str, Matching] = {}

    def audit(self, candidates: Sequence[Source], unrelated: Sequence[Source] = ()) -> Audit:
        """One audit."""
        child, settings, opened = self._child, self._settings, self._opened
        tested, outside = self._test(candidates), self._test(unrelated) if unrelated else Tested([], {})
        tested = with_bases(child, tested, self._test, follow=settings.follow)
        refused = tested.refused | outside.refused
        if not tested.candidates:
            raise UserError(
                next(iter(refused.values()), f"{self._path}: is the only candidate for itself; give others")
            )
        direction = settings.direction or shipped()

        def judge_of(child: Child, compared: dict[str, Relative], computed: Computed) -> Judge:
            return Judge(
                child, tested, outside.candidates, direction, settings, compared, computed, self._tracked
            )

        level = level_of(tested.candidates, settings.alpha)
        as_is = judged = judge_of(child, self._compared, self._computed)(tested.candidates, level, opened)
        aligned = None
        rescaled = any(place.is_rescaled for place in as_is.places)
        if settings.undisguise and (rescaled or is_needed(as_is.verdict, as_is.evidence)):
            aligned = aligned_candidates(
                child,
                tested.candidates,
                opened,
                shipped_decoys(),
                settings.alpha,
                apart=self._apart,
                tracked=self._tracked,
            )
            if aligned and as_is.verdict.family and not aligned.undid:
                aligned = None
            elif aligned and aligned.found:
                judge = judge_of(aligned.child, {}, Computed())
                judged = judged_again(as_is, aligned, level, judge, of_aligned(opened))
            if aligned:
                judged = replace(judged, verdict=explained(judged.verdict, aligned))
        return Audit(
            settings=settings,
            child=child,
            unrelated=outside.candidates,
            refused=refused,
            aligned=aligned,
            as_is=as_is.verdict,
            **vars(judged),
        )

    def _test(self, sources: Sequence[Source]) -> Tested:
        follow = self._settings.follow
        tested = run_tests(
            self._child, sources, self._cache, follow=follow, known=self._known, tracked=self._tracked
        )
        of_lone_models = (found for found in tested.candidates if found.id == found.source.id)
        self._known |= {found.id: found.tests for found in of_lone_models if not found.source.base}
        return tested


class Judge:
    """Compares a child with candidates that were tested, and decides."""

    def __init__(
        self,
        child: Child,
        tested: Tested,
        unrelated: Sequence[Candidate],
        direction: Direction,
        settings: Settings,
        compared: dict[str, Relative],
        computed: Computed,
        tracked: Tracked,
    ):
        self._child, self._unrelated, self._settings, self._tracked = child, unrelated, settings, tracked
        self._compared, self._computed = compared, computed
        self._direction = direction
        self._refused = [id for id in tested.refused if id not in tested.empty]

    @one_thread
    def __call__(self, candidates: Sequence[Candidate], level: Level, opened: Opened) -> Judged:
        """What the candidates are to the child.

        Args:
            candidates: as they are, or aligned; level: of their p-values; opened: opens one of them.
        """
        child, settings = self._child, self._settings
        parts = parts_of(child, candidates)
        candidates = [with_resized(child, candidate, opened) for candidate in as_parts(candidates, parts)]
        unrelated = [with_resized(child, candidate, opened) for candidate in self._unrelated]
        relatives = without_copies(
            compare_relatives(
                child, candidates, level.limit, opened, compared=self._compared, tracked=self._tracked
            )
        )
        settled = {relative.id: relative.candidate for relative in relatives}
        candidates = [settled.get(candidate.id, candidate) for candidate in candidates]
        together, direction = Together(relatives, self._computed), self._direction
        places = places_of(child, relatives, together)
        related = relate(places, direction, Passing(together, direction))
        later = {found.id for found in related if found.relation is Relation.DESCENDANT}
        later |= {place.id for place in places if place.is_outlying}
        mixture = mixture_of(child, relatives, later)
        merged = mixture.parents if mixture and mixture.is_merge else parts
        evidence = []
        if contradicting := dependent_of(unrelated, settings.alpha):
            verdict = withheld(contradicting.id)
        else:
            evidence = evidence_of(child, candidates, unrelated, relatives, level.limit)
            untested = [
                candidate.id for candidate in candidates if not (candidate.is_evidence and candidate.is_whole)
            ]
            verdict = of_parts(decide(evidence, related, merged, level), parts)
            verdict = unless_incomplete(verdict, [*self._refused, *untested])
            verdict = unless_unread(verdict, child.unread, share_unread(child.digest))
            verdict = of_adapter(child, candidates, verdict)
        return Judged(
            candidates=candidates,
            places=places,
            together=together,
            mixture=mixture,
            evidence=evidence,
            verdict=verdict,
            layers=layer_origins(child, candidates, relatives, verdict.closest, level.limit),
        )


def judged_again(as_is: Judged, aligned: Aligned, level: Level, judge: Judge, opened: Opened) -> Judged:
    """What the candidates that align are to the child, beside those that are dependent on it as they are.

    Each is held against the level of the tests that found it; the others stay as they were judged.

    Args:
        as_is: the first judgement; level: of its p-values; opened: opens aligned candidates as they were aligned.
    """
    again = [
        candidate
        for candidate in aligned.instead_of(as_is.candidates)
        if candidate.id in aligned.found or candidate.log10_p <= level.limit
    ]
    ids = {candidate.id for candidate in again}
    found = judge(again, aligned.level(level.alpha), opened)
    return replace(
        found,
        candidates=[*found.candidates, *(known for known in as_is.candidates if known.id not in ids)],
        evidence=[*found.evidence, *(known for known in as_is.evidence if known.id not in ids)],
    )


def dependent_of(unrelated: Sequence[Candidate], alpha: float) -> Candidate | None:
    """The network given as unrelated that is most dependent on the child, if at the level alpha over all of them."""
    if not unrelated:
        return None
    most = min(unrelated, key=lambda candidate: candidate.log10_p)
    return most if most.log10_p <= level_of(unrelated, alpha).limit else None
