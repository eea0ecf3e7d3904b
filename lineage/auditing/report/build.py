"""Writes down what an audit found, on which inputs, and with which versions."""

import platform
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path

from lineage.auditing.audit import Audit, Settings
from lineage.auditing.report.alignment import alignment_of
from lineage.auditing.report.claims import claim_of
from lineage.auditing.report.headline import headline_of
from lineage.auditing.report.margin import margin_of
from lineage.auditing.report.passed_over import by_reason
from lineage.auditing.report.types import (
    AuditReport,
    CandidateReport,
    ChildReport,
    MatrixTest,
    ProbeReport,
    UnrelatedReport,
)
from lineage.auditing.stages.candidates import Candidate
from lineage.auditing.stages.place import Place
from lineage.auditing.stages.verdict import Evidence, Verdict, Word
from lineage.relation.matching import MatchedBy
from lineage.relation.relations import Related
from lineage.relation.sketch import Reason, Untestable

LIBRARIES = ("neural-lineage", "numpy", "scipy", "safetensors", "h5py", "onnx", "torch")


def report_of(
    audit: Audit,
    *,
    config: Mapping[str, object] | None = None,
    probe: ProbeReport | None = None,
    passed_over: Mapping[Path, str] | None = None,
    id: str | None = None,
) -> AuditReport:
    """The report of an audit.

    Args:
        audit: done.
        config: what else the user gave, for `lineage verify`; probe: the candidates' ranks on it.
        passed_over: files of the folders given that were not audited, with the reason.
        id: the child's in a table of models.
    """
    verdict, child = audit.verdict, audit.child
    places = {id: place for place, id in enumerate(verdict.family)}
    ranked = sorted(
        audit.candidates,
        key=lambda found: (places.get(found.id, len(places)), found.log10_p, -(found.z or 0)),
    )
    evidence = {found.id: found for found in audit.evidence}
    found_at = {place.id: place for place in audit.places}
    related = {found.id: found for found in verdict.relatives}
    return AuditReport(
        verdict=verdict.word,
        headline=headline_of(child.path, verdict, len(ranked)),
        family=verdict.family,
        closest=verdict.closest,
        copies=verdict.copies,
        relation=verdict.relation,
        probability=verdict.probability,
        bound=verdict.bound,
        parent=verdict.parent,
        parents=verdict.parents,
        p_value=verdict.p_value,
        log10_p=verdict.log10_p,
        alpha=audit.settings.alpha,
        decided_by=verdict.decided_by,
        reason=verdict.reason,
        helps=verdict.helps,
        margin=margin_of(ranked, verdict, found_at),
        claimed=claim_of(audit.settings.claimed, verdict, ranked, audit.refused, audit.settings.alpha),
        child=ChildReport(
            path=child.path,
            format=child.checkpoint.format,
            tensors=len(child.digest.shapes),
            testable=list(child.digest.sketches),
            untestable={name: str(reason) for name, reason in child.digest.untestable.items()},
            left_out={name: found.reason for name, found in child.digest.left_out.items()},
        ),
        candidates=[
            _candidate(found, evidence.get(found.id), found_at.get(found.id), related.get(found.id))
            for found in ranked
        ],
        unrelated=[
            UnrelatedReport(id=network.id, z=network.z, log10_p=network.log10_p)
            for network in audit.unrelated
        ],
        layers=audit.layers,
        mixture=audit.mixture,
        refused=dict(sorted(audit.refused.items())),
        passed_over=by_reason(passed_over or {}),
        duplicates=_duplicates(ranked),
        notes=sorted({*child.digest.notes, *(note for found in audit.candidates for note in found.notes)}),
        inputs=_inputs(audit),
        config=_config(audit.settings, config),
        versions=versions(),
        probe=probe,
        alignment=alignment_of(audit),
        id=id,
    )


def report_without_verdict(path: str, reason: str, *, settings: Settings, id: str) -> AuditReport:
    """The report on a child of a table of models that could not be audited.

    Args:
        path: the child's; reason: one line; settings: of the audit; id: the child's in the table.
    """
    verdict = Verdict(word=Word.CANNOT_TELL, decided_by="reading", reason=reason)
    return AuditReport(
        verdict=verdict.word,
        headline=headline_of(path, verdict, 0),
        alpha=settings.alpha,
        decided_by=verdict.decided_by,
        reason=reason,
        claimed=claim_of(settings.claimed, verdict, [], {}, settings.alpha),
        child=ChildReport(path=path, format="", tensors=0, testable=[], untestable={}, left_out={}),
        config=_config(settings, None),
        versions=versions(),
        id=id,
    )


def _config(settings: Settings, others: Mapping[str, object] | None) -> dict[str, object]:
    of_settings = {"alpha": settings.alpha, "follow": settings.follow, "claimed": settings.claimed}
    return of_settings | dict(others or {})


def _duplicates(candidates: Sequence[Candidate]) -> list[list[str]]:
    by_content: dict[str, list[str]] = {}
    for candidate in candidates:
        by_content.setdefault(candidate.copy_key, []).append(candidate.id)
    return [ids for ids in by_content.values() if len(ids) > 1]


UNTESTED = "has no matrix of hidden neurons in common with the child"
INDEPENDENT = "no more like the child than a random order of neurons would be"


def _why_no_relative(candidate: Candidate, evidence: Evidence | None) -> str:
    """Why a candidate is not of the family, as far as its tests show."""
    if not candidate.tests:
        return UNTESTED
    if not candidate.is_evidence:
        return f"in common with the child: {Reason.LONE.value}"
    if evidence is not None and evidence.no_evidence:
        return f"in common with the child: {', '.join(evidence.no_evidence)}: {Reason.FIXED_PART.value}"
    return INDEPENDENT


def _candidate(
    candidate: Candidate, evidence: Evidence | None, place: Place | None, related: Related | None
) -> CandidateReport:
    matching = candidate.matching
    return CandidateReport(
        id=candidate.id,
        path=candidate.source.path,
        format=candidate.format,
        relation=related.relation if related else None,
        probability=related.probability if related else None,
        bound=related.bound if related else None,
        share_lost=related.share if related else None,
        decided_by=related.decided_by if related else "order of neurons",
        reason=related.reason if related else _why_no_relative(candidate, evidence),
        hints=place.hints if place else [],
        log10_p=candidate.log10_p,
        p_value=10.0**candidate.log10_p,
        conformal_p=evidence.conformal_p if evidence else None,
        z=candidate.z,
        tested=len(candidate.tests),
        coverage=evidence.coverage if evidence else None,
        distance=place.distance if place else None,
        tests={
            name: MatrixTest(
                rows=test.rows,
                similarity=test.similarity,
                z=test.z,
                matches=test.matches,
                log10_p=test.log10_p,
            )
            for name, test in candidate.tests.items()
        },
        matched_by_name=sum(how is MatchedBy.NAME for how in matching.how.values()),
        matched_by_order=sum(how is MatchedBy.ORDER for how in matching.how.values()),
        transposed=sorted(matching.transposed),
        no_evidence={
            name: str(Untestable(why)) for name, why in (evidence.no_evidence if evidence else {}).items()
        },
        unmatched_of_child=matching.only_child,
        unmatched_of_candidate=matching.only_candidate,
    )


def _inputs(audit: Audit) -> dict[str, str]:
    hashes = dict(audit.child.digest.hashes)
    for network in [*audit.candidates, *audit.unrelated]:
        hashes |= network.hashes
    return dict(sorted(hashes.items()))


def versions() -> dict[str, str]:
    """Of Python and of the libraries that decide a result."""
    found = {"python": platform.python_version()}
    for library in LIBRARIES:
        try:
            found[library] = metadata.version(library)
        except metadata.PackageNotFoundError:
            found[library] = "not installed"
    return found
