"""The report of an audit: what it found, on which inputs, and with which versions."""

import platform
from dataclasses import asdict
from importlib import metadata

from lineage.auditing.audit import Audit
from lineage.auditing.candidates import Candidate
from lineage.auditing.verdict import CANNOT_TELL, Evidence

FORMAT = 1
"""The version of the report's layout."""
LIBRARIES = ("neural-lineage", "numpy", "scipy", "safetensors", "h5py", "onnx", "torch")


def report_of(audit: Audit) -> dict:
    """All of an audit as JSON takes it."""
    verdict = audit.verdict
    ranked = sorted(audit.candidates, key=lambda one: (one.log10_p, -(one.z or 0)))
    evidence = {one.id: one for one in audit.evidence}
    return {
        "format": FORMAT,
        "verdict": verdict.word,
        "parent": verdict.parent,
        "parents": verdict.parents,
        "p_value": verdict.p_value,
        "log10_p": verdict.log10_p,
        "alpha": audit.settings.alpha,
        "decided_by": verdict.decided_by,
        "reason": verdict.reason,
        "helps": verdict.helps,
        "margin": _margin(audit, ranked),
        "claimed": _claim(audit),
        "child": {
            "path": audit.child_path,
            "format": audit.child.format,
            "tensors": len(audit.digest.shapes),
            "testable": list(audit.digest.sketches),
            "untestable": audit.digest.untestable,
            "left_out": audit.digest.left_out,
        },
        "candidates": [_row(audit, one, evidence.get(one.id)) for one in ranked],
        "unrelated": [{"id": one.id, "z": one.z, "log10_p": one.log10_p} for one in audit.unrelated],
        "layers": [asdict(layer) for layer in audit.layers],
        "mixture": asdict(audit.mixture) if audit.mixture else None,
        "refused": dict(sorted(audit.refused.items())),
        "notes": sorted({*audit.digest.notes, *(note for one in audit.candidates for note in one.notes)}),
        "inputs": _inputs(audit),
        "config": asdict(audit.settings),
        "versions": versions(),
    }


def _margin(audit: Audit, ranked: list[Candidate]) -> dict | None:
    """How far the best candidate is from the next, in mean z."""
    tested = sorted((one for one in ranked if one.tests), key=lambda one: -one.z)
    if not tested:
        return None
    best = next((one for one in tested if one.id == audit.verdict.parent), tested[0])
    others = [one for one in tested if one is not best]
    if not others:
        return {"best": best.id, "z": best.z, "runner_up": None, "runner_up_z": None}
    return {"best": best.id, "z": best.z, "runner_up": others[0].id, "runner_up_z": others[0].z}


def _claim(audit: Audit) -> dict | None:
    claimed = audit.settings.claimed
    if not claimed:
        return None
    known = any(one.id == claimed for one in audit.candidates)
    return {
        "parent": claimed,
        "is_known": known,
        "is_contradicted": known
        and claimed not in audit.verdict.parents
        and claimed != audit.verdict.parent
        and audit.verdict.word != CANNOT_TELL,
    }


def _row(audit: Audit, one: Candidate, evidence: Evidence | None) -> dict:
    compared = one.comparison
    flow = compared.direction if compared else None
    return {
        "id": one.id,
        "path": one.source.path,
        "format": one.format,
        "log10_p": one.log10_p,
        "p_value": 10.0**one.log10_p,
        "conformal_p": evidence.conformal_p if evidence else None,
        "z": one.z,
        "tested": len(one.tests),
        "coverage": evidence.coverage if evidence else None,
        "distance": compared.distance if compared else None,
        "reading": flow.reading if flow else None,
        "retention_of_candidate": flow.of_candidate if flow else None,
        "retention_of_child": flow.of_child if flow else None,
        "position": flow.position if flow else None,
        "tests": {name: asdict(test) for name, test in one.tests.items()},
        "matched_by_name": sum(how == "name" for how in one.matching.how.values()),
        "matched_by_order": sum(how == "order" for how in one.matching.how.values()),
        "transposed": sorted(one.matching.transposed),
        "unmatched_of_child": one.matching.only_child,
        "unmatched_of_candidate": one.matching.only_candidate,
    }


def _inputs(audit: Audit) -> dict[str, str]:
    hashes = dict(audit.digest.hashes)
    for one in [*audit.candidates, *audit.unrelated]:
        hashes |= one.hashes
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
