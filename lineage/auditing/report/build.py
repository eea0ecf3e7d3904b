"""Writes down what an audit found, on which inputs, and with which versions."""

import platform
from collections.abc import Mapping, Sequence
from importlib import metadata

from lineage.auditing.audit import Audit
from lineage.auditing.report.types import (
    AuditReport,
    CandidateReport,
    ChildReport,
    Claim,
    Margin,
    MatrixTest,
    ProbeReport,
    UnrelatedReport,
)
from lineage.auditing.stages.candidates import Candidate
from lineage.auditing.stages.relating import Place
from lineage.auditing.stages.verdict import Evidence, Verdict, Word
from lineage.relation.matching import MatchedBy
from lineage.relation.relations import Related

LIBRARIES = ("neural-lineage", "numpy", "scipy", "safetensors", "h5py", "onnx", "torch")


def report_of(
    audit: Audit,
    *,
    config: Mapping[str, object] | None = None,
    probe: ProbeReport | None = None,
    id: str | None = None,
) -> AuditReport:
    """The report of an audit.

    Args:
        audit: done.
        config: what else the user gave, for `lineage verify`; probe: the candidates' ranks on it.
        id: the child's in a table of models.
    """
    verdict, child = audit.verdict, audit.child
    ranked = sorted(audit.candidates, key=lambda candidate: (candidate.log10_p, -(candidate.z or 0)))
    evidence = {found.id: found for found in audit.evidence}
    places = {place.id: place for place in audit.places}
    relations = {related.id: related for related in verdict.relatives}
    return AuditReport(
        verdict=verdict.word,
        parent=verdict.parent,
        parents=verdict.parents,
        p_value=verdict.p_value,
        log10_p=verdict.log10_p,
        alpha=audit.settings.alpha,
        decided_by=verdict.decided_by,
        reason=verdict.reason,
        helps=verdict.helps,
        margin=margin_of(ranked, verdict.parent),
        claimed=claim_of(audit.settings.claimed, {candidate.id for candidate in ranked}, verdict),
        child=ChildReport(
            path=child.path,
            format=child.checkpoint.format,
            tensors=len(child.digest.shapes),
            testable=list(child.digest.sketches),
            untestable={name: str(reason) for name, reason in child.digest.untestable.items()},
            left_out=child.digest.left_out,
        ),
        candidates=[
            _candidate(
                candidate,
                evidence.get(candidate.id),
                places.get(candidate.id),
                relations.get(candidate.id),
            )
            for candidate in ranked
        ],
        unrelated=[
            UnrelatedReport(id=network.id, z=network.z, log10_p=network.log10_p)
            for network in audit.unrelated
        ],
        layers=audit.layers,
        mixture=audit.mixture,
        refused=dict(sorted(audit.refused.items())),
        notes=sorted({*child.digest.notes, *(note for found in audit.candidates for note in found.notes)}),
        inputs=_inputs(audit),
        config={
            "alpha": audit.settings.alpha,
            "follow": audit.settings.follow,
            "claimed": audit.settings.claimed,
            **(config or {}),
        },
        versions=versions(),
        probe=probe,
        id=id,
    )


def margin_of(candidates: Sequence[Candidate], parent: str | None) -> Margin | None:
    """How far the parent, or without one the best candidate, is from the next; None if no candidate was tested."""
    tested = sorted((candidate for candidate in candidates if candidate.tests), key=lambda found: -found.z)
    if not tested:
        return None
    best = next((candidate for candidate in tested if candidate.id == parent), tested[0])
    next_best = next((candidate for candidate in tested if candidate is not best), None)
    return Margin(
        best=best.id,
        z=best.z,
        runner_up=next_best.id if next_best else None,
        runner_up_z=next_best.z if next_best else None,
    )


def claim_of(claimed: str, candidates: set[str], verdict: Verdict) -> Claim | None:
    """What the verdict says of a claimed parent; None without a claim."""
    if not claimed:
        return None
    is_known = claimed in candidates
    is_confirmed = claimed in verdict.parents or claimed == verdict.parent
    return Claim(
        parent=claimed,
        is_known=is_known,
        is_contradicted=is_known and not is_confirmed and verdict.word is not Word.CANNOT_TELL,
    )


def _candidate(
    candidate: Candidate, evidence: Evidence | None, place: Place | None, related: Related | None
) -> CandidateReport:
    matching = candidate.matching
    return CandidateReport(
        id=candidate.id,
        path=candidate.source.path,
        format=candidate.format,
        log10_p=candidate.log10_p,
        p_value=10.0**candidate.log10_p,
        conformal_p=evidence.conformal_p if evidence else None,
        z=candidate.z,
        tested=len(candidate.tests),
        coverage=evidence.coverage if evidence else None,
        distance=place.distance if place else None,
        relation=related.relation if related else None,
        probability=related.probability if related else None,
        bound=related.bound if related else None,
        share_lost=related.share if related else None,
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
