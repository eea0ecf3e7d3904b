"""What alignment undid, beside the verdict on the weights as they are."""

from lineage.auditing.audit import Audit
from lineage.auditing.decoys import shipped
from lineage.auditing.report.types import AlignedReport, AlignmentReport
from lineage.auditing.stages.aligning.words import undone_in_words


def alignment_of(audit: Audit) -> AlignmentReport | None:
    """The part of a report on alignment; None where no candidate was aligned."""
    aligned = audit.aligned
    if aligned is None:
        return None
    decoys = shipped()
    return AlignmentReport(
        as_is=audit.as_is.word,
        as_is_reason=audit.as_is.reason,
        tried=aligned.tried,
        decoys=decoys.of,
        decoy_margin=float(decoys.margins.max()),
        aligned={
            id: AlignedReport(
                margin=found.alignment.margin,
                null=found.null,
                undone=undone_in_words(found.alignment),
                groups={
                    group: [str(done) for done in all_done]
                    for group, all_done in found.alignment.undone.items()
                },
            )
            for id, found in aligned.found.items()
        },
        refused=aligned.refused,
    )


def alignment_lines(report: AlignmentReport) -> list[str]:
    """The same for the terminal."""
    if not report.aligned:
        return []
    margins = [found.margin for found in report.aligned.values()]
    return [
        f"as the weights are: {report.as_is}: {report.as_is_reason}",
        f"aligned: {len(margins)} of {report.tried} candidates, margins {min(margins):.2f} to {max(margins):.2f}; "
        f"of {report.decoys} at most {report.decoy_margin:.2f}",
    ]
