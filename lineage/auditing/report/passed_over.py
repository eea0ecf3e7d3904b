"""Files of the folders given that are no models, by the reason: in a report, and in a line for each."""

from collections.abc import Mapping
from pathlib import Path

from lineage.auditing.report.types import PassedOver
from lineage.errors import printable

MOST = 20
"""Files of one reason that a report names."""
NAMED = 3
"""Files of one reason that a line names."""


def by_reason(files: Mapping[Path, str]) -> list[PassedOver]:
    """The files of each reason, how many and the first ones; reasons in their order."""
    found: dict[str, list[str]] = {}
    for path, reason in sorted(files.items()):
        found.setdefault(reason, []).append(printable(str(path)))
    return [
        PassedOver(reason=reason, count=len(paths), files=paths[:MOST])
        for reason, paths in sorted(found.items())
    ]


def in_words(files: PassedOver) -> str:
    """How many files, why, and the first."""
    named = ", ".join(Path(path).name for path in files.files[:NAMED])
    count = f"{files.count} file{'s' if files.count > 1 else ''}"
    return f"{count}, {files.reason}: {named}{', ...' if files.count > NAMED else ''}"
