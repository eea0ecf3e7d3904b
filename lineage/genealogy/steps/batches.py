"""Files in batches that stay as they are when files are added, and how a workflow passes them on."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from lineage.checkpoints.find import Source

Row = Mapping[str, str]
"""A source in plain text, as params of a rule take it."""


def batches_of(sources: Sequence[Source], count: int) -> dict[str, list[Source]]:
    """The sources by batch: which batch a source is in depends on its id alone.

    Args:
        sources: files of one or more models; count: batches, of which some may stay empty and are left out.
    """
    found: dict[str, list[Source]] = {}
    for source in sources:
        number = int(hashlib.sha256(source.id.encode()).hexdigest(), 16) % count
        found.setdefault(str(number), []).append(source)
    return dict(sorted(found.items(), key=lambda item: int(item[0])))


def row_of(source: Source, *, with_claim: bool = True) -> dict[str, str]:
    """A source as text; without its claimed parent for a step whose result does not depend on it."""
    inside = "" if source.inside is None else str(source.inside)
    claimed = source.claimed_parent if with_claim else ""
    return {"id": source.id, "path": source.path, "inside": inside, "claimed_parent": claimed}


def source_of(row: Row) -> Source:
    """A source from its text."""
    inside = Path(row["inside"]) if row["inside"] else None
    return Source(id=row["id"], path=row["path"], inside=inside, claimed_parent=row["claimed_parent"])


def key_of(id: str) -> str:
    """A file's name for a family, after its first model: readable, and another one for each id."""
    readable = re.sub(r"[^A-Za-z0-9]+", "-", id).strip("-")[:40]
    return f"{readable}-{hashlib.sha256(id.encode()).hexdigest()[:10]}"
