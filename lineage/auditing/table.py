"""A whole table of models: which pairs a row adds, and the report on one child.

A row is paired with the rows above it, so an added row computes its own pairs and no others.
"""

import json
from collections.abc import Iterable
from pathlib import Path

from lineage.auditing.audit import Settings, audit_sources
from lineage.auditing.report.build import report_of, report_without_verdict
from lineage.auditing.report.types import AuditReport
from lineage.checkpoints.find import Source, read_table_of_models
from lineage.errors import UserError
from lineage.index.digest import DigestCache
from lineage.relation.permutation_test import RowTest


def pairs_of(models: list[Source], model: str) -> list[tuple[str, str]]:
    """The pairs (child, partner) that a row adds to those above it; a child is paired with all that are no child."""
    place = next(number for number, source in enumerate(models) if source.id == model)
    mine, found = models[place], []
    for above in models[:place]:
        if (mine.role == "child") != (above.role == "child"):
            found.append((mine.id, above.id) if mine.role == "child" else (above.id, mine.id))
    return found


def models_of(path: Path) -> list[Source]:
    """The rows of a table of models that has a child and a candidate at least.

    Raises:
        UserError: if it has not.
    """
    models = read_table_of_models(path)
    for role in ("child", "candidate"):
        if not any(source.role == role for source in models):
            raise UserError(f"{path}: expected a row with the role {role}, but there is none")
    return models


def audited(
    models: list[Source], child: str, files: Iterable[Path], cache: DigestCache, alpha: float
) -> AuditReport:
    """The report on one child, from the tests of earlier jobs; on one that cannot be audited, it says why.

    Args:
        models: the table; child: its id; files: of `tested_pairs`.
        cache: of digests; alpha: the false-positive rate.
    """
    source = next(source for source in models if source.id == child)
    known: dict[str, dict[str, RowTest]] = {}
    for file in files:
        for partner, tests in json.loads(file.read_text()).get(child, {}).items():
            known[partner] = {name: RowTest(**test) for name, test in tests.items()}
    settings = Settings(alpha=alpha, claimed=source.claimed_parent or "")
    try:
        audit = audit_sources(
            source.path,
            [model for model in models if model.role == "candidate"],
            [model for model in models if model.role == "unrelated"],
            settings=settings,
            cache=cache,
            known=known,
        )
    except UserError as error:
        return report_without_verdict(source.path, str(error), settings=settings, id=child)
    return report_of(audit, id=child)
