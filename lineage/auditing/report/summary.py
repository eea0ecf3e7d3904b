"""The verdicts on all children of a table of models, in one table."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from lineage.relation.permutation_test import discoveries
from lineage.storage.atomic import written_whole

COLUMNS = (
    "child",
    "verdict",
    "parent",
    "claimed_parent",
    "contradicted",
    "log10_p",
    "significant",
    "decided_by",
)


def write_summary(reports: Iterable[dict], alpha: float, path: Path) -> pd.DataFrame:
    """Writes one row a child; `significant` holds at a false discovery rate of alpha over all children."""
    reports = list(reports)
    tested = [report for report in reports if report["log10_p"] is not None]
    chosen = discoveries([report["log10_p"] for report in tested], alpha)
    significant = {report["id"]: flag for report, flag in zip(tested, chosen, strict=True)}
    rows = [
        {
            "child": report["id"],
            "verdict": report["verdict"],
            "parent": report["parent"],
            "claimed_parent": report["claimed"]["parent"] if report["claimed"] else None,
            "contradicted": report["claimed"]["is_contradicted"] if report["claimed"] else None,
            "log10_p": report["log10_p"],
            "significant": significant.get(report["id"]),
            "decided_by": report["decided_by"],
        }
        for report in reports
    ]
    frame = pd.DataFrame(rows, columns=COLUMNS)
    with written_whole(path) as part:
        frame.to_csv(part, sep="\t", index=False)
    return frame
