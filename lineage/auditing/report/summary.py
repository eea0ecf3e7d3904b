"""The verdicts on all children of a table of models, in one table and on the terminal."""

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from lineage.errors import UserError
from lineage.relation.multiple_testing import discoveries
from lineage.storage.atomic import written_whole

COLUMNS = (
    "child",
    "verdict",
    "family",
    "closest",
    "relation",
    "parent",
    "bound",
    "probability",
    "claimed_parent",
    "claim",
    "log10_p",
    "significant",
    "decided_by",
    "reason",
)
BETWEEN = "|"
"""Between the ids of a family."""


def write_summary(reports: Iterable[dict], alpha: float, path: Path) -> pd.DataFrame:
    """Writes one row a child; `significant` holds at a false discovery rate of alpha over all children."""
    reports = list(reports)
    tested = [report for report in reports if report["log10_p"] is not None]
    chosen = discoveries([report["log10_p"] for report in tested], alpha)
    significant = {report["id"]: flag for report, flag in zip(tested, chosen, strict=True)}
    rows = [
        {column: report.get(column) for column in COLUMNS}
        | {
            "child": report["id"],
            "family": BETWEEN.join(report["family"]),
            "claimed_parent": report["claimed"]["parent"] if report["claimed"] else None,
            "claim": report["claimed"]["state"] if report["claimed"] else None,
            "significant": significant.get(report["id"]),
        }
        for report in reports
    ]
    frame = pd.DataFrame(rows, columns=COLUMNS)
    with written_whole(path) as part:
        frame.to_csv(part, sep="\t", index=False)
    return frame


def closing_lines(folder: Path) -> list[str]:
    """What the audit of a table of models found: the three answers on each child, and where they stand.

    Args:
        folder: with summary.tsv, and children/ID.json and .html of each child.

    Raises:
        UserError: if there is no summary.
    """
    summary = folder / "summary.tsv"
    if not summary.is_file():
        raise UserError(
            f"{summary}: expected the summary of audits, but there is none; run `make audit` first"
        )
    children = pd.read_csv(summary, sep="\t", usecols=["child"], dtype=str)["child"]
    reports = [json.loads((folder / "children" / f"{child}.json").read_text()) for child in children]
    return [
        *(line for report in reports for line in answers(report)),
        totals(report["verdict"] for report in reports),
        f"summary: {summary}",
        f"pages: {folder / 'children'}/*.html",
    ]


def totals(verdicts: Iterable[str]) -> str:
    """How many children there are, and how many of each verdict."""
    counts = Counter(verdicts)
    children = "1 child" if counts.total() == 1 else f"{counts.total()} children"
    return f"{children}: {', '.join(f'{count} {verdict}' for verdict, count in counts.most_common())}"


def answers(report: dict) -> list[str]:
    """Family, closest and relation of a child, from its report's JSON; then what is to be known of it."""
    if not report["family"]:
        first = f"{report['id']}: {report['verdict']}: {report['reason']}"
    else:
        count = len(report["family"])
        first = (
            f"{report['id']}: {report['verdict']}; family: {count} candidate{'s' * (count > 1)}; "
            f"closest: {report['closest']}; relation: {report['relation']}"
        )
    claim = report["claimed"]
    claimed = [f"  claimed parent {claim['parent']}: {claim['state']}: {claim['reason']}"] if claim else []
    return [first, *claimed, *(f"  left out: {line}" for line in report["refused"].values())]
