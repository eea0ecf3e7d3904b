"""The evidence of an audit: JSON that can be checked again, and one page for people."""

import json
from collections.abc import Mapping
from pathlib import Path

from lineage.auditing.report.types import FORMAT, OPTIONAL, AuditReport
from lineage.errors import UserError, one_line
from lineage.storage.atomic import written_whole

TEMPLATE = Path(__file__).with_name("page.html.j2")


def write_json(report: AuditReport, path: Path) -> None:
    """Writes a report as JSON."""
    with written_whole(path) as part:
        part.write_text(json.dumps(report.to_dict(), indent=1, allow_nan=False) + "\n")


def write_html(report: Mapping[str, object], path: Path) -> None:
    """Writes a report, as its JSON holds it, as one page that needs no network."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    pages = Environment(
        loader=PackageLoader("lineage.auditing.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    text = pages.get_template(TEMPLATE.name).render(report=dict.fromkeys(OPTIONAL) | report)
    with written_whole(path) as part:
        part.write_text(text, encoding="utf-8")


def read_json(path: Path) -> dict:
    """A report from its JSON.

    Raises:
        UserError: if it is none.
    """
    try:
        report = json.loads(path.read_text())
    except FileNotFoundError:
        raise UserError(f"{path}: expected the JSON of an audit, found no such file") from None
    except OSError as error:
        raise UserError(f"{path}: expected the JSON of an audit: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: expected the JSON of an audit: {one_line(error)}") from None
    needed = {"format", "verdict", "inputs", "config", "versions", "candidates"}
    if not isinstance(report, dict) or not needed <= report.keys():
        raise UserError(f"{path}: expected the JSON of an audit, which has {', '.join(sorted(needed))}")
    if report["format"] != FORMAT:
        raise UserError(f"{path}: expected format {FORMAT}, got {report['format']}; audit again")
    return report
