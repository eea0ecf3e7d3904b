"""An answer on the terminal."""

from rich.table import Table

from lineage.asking.verdict import Finding, Row, Word
from lineage.screen import Screen

SHOWN = 8
"""Networks in the table; the JSON has all."""


def print_finding(found: Finding, suspect: str) -> None:
    """Prints the sentence, what it rests on, and the networks that explain most."""
    console = Screen(100)
    for line in lines_of(found, suspect):
        console.print(line)
    table = Table("network", "weight", "deviation", "same labels")
    for row in found.candidates[:SHOWN]:
        table.add_row(
            _named(row),
            f"{row.weight:.3f}",
            _number(row.deviation, "{:.1f}"),
            _number(row.agreement, "{:.0%}"),
        )
    console.print(table)
    if len(found.candidates) > SHOWN:
        console.print(f"  and {len(found.candidates) - SHOWN} more")


def lines_of(found: Finding, suspect: str) -> list[str]:
    """What an answer says, in words."""
    if found.word == Word.UNDETERMINED:
        said = f"{suspect}: undetermined: {found.reason}"
    else:
        closest = found.closest or "undetermined"
        said = f"{suspect}: of the family of {', '.join(found.family)}; closest: {closest}"
    lines = [said]
    if found.word != Word.UNDETERMINED:
        lines.append(f"  because: {found.reason}")
        lines.append(
            f"  error: aimed at is a family for at most {found.alpha:.0%} of unrelated networks of equal accuracy "
            "(rates measured: docs/labels.md); the direction is not known: the suspect may as well be an ancestor, "
            "or share one"
        )
    lines.append(f"  by: {found.method}, on {found.queries} answers")
    if found.own_labels:
        lines.append(
            "  its classes were taken for others than the candidates'; if they are the same, write them as "
            "`class_names` in the query set's manifest, or as numbers"
        )
    lines += [f"  left out: {reason}" for reason in found.left_out.values()]
    if found.critical is not None:
        lines.append(
            f"  to stand out: {found.critical:.1f} standard deviations above the networks outside the family"
        )
    return [*lines, f"  commitment: {found.commitment}"]


def _named(row: Row) -> str:
    return row.id if row.is_candidate else f"{row.id} (unrelated)"


def _number(value: float | None, form: str) -> str:
    return "" if value is None else form.format(value)
