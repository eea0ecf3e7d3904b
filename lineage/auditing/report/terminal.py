"""An audit on the terminal."""

from collections import Counter
from collections.abc import Sequence

from rich.table import Table

from lineage.auditing.report.alignment import alignment_lines
from lineage.auditing.report.headline import is_informative, listed, mixed, shown, within
from lineage.auditing.report.passed_over import in_words
from lineage.auditing.report.types import AuditReport, CandidateReport, Margin, ProbeReport
from lineage.relation.layers import moves
from lineage.screen import Screen

SHOWN = 8
"""Candidates in the table; the JSON has all."""


def print_report(report: AuditReport) -> None:
    """Prints the sentence, the three answers, what else is to be known, the closest candidates and the layers."""
    console = Screen(110)
    console.print(report.headline)
    for line in [*answers(report), *remarks(report)]:
        console.print(f"  {line}")
    if rows := once(report):
        console.print(_table(rows[:SHOWN]))
    if len(rows) > SHOWN:
        console.print(f"  and {len(rows) - SHOWN} more")
    states = Counter((layer.state, layer.source) for layer in report.layers)
    counts = [
        f"{count} {state}{f' ({source})' if source else ''}" for (state, source), count in states.items()
    ]
    console.print(f"layers: {', '.join(counts)}")
    if moved := [f"{ours} <- {theirs}" for ours, theirs in moves(report.layers).items()]:
        console.print(f"layers moved: {', '.join(moved[:SHOWN])}{', ...' if len(moved) > SHOWN else ''}")


def once(report: AuditReport) -> list[CandidateReport]:
    """The candidates, of those with the same tensors the first."""
    again = {id for ids in report.duplicates for id in ids[1:]}
    return [candidate for candidate in report.candidates if candidate.id not in again]


def answers(report: AuditReport) -> list[str]:
    """The verdict, and the three answers that it is made of: family, closest, relation."""
    chance = "" if report.log10_p is None else f" (log10 p {report.log10_p:.1f})"
    found = [f"verdict: {report.verdict}{f': {report.parent}' if report.parent else ''}{chance}"]
    if report.family:
        found += [
            f"family: {listed(report.family)}",
            f"closest: {report.closest}{_of_margin(report.margin)}",
            f"relation: {relation_of(report)}",
        ]
    return [*found, f"because: {report.reason} (decided by: {report.decided_by})"]


def relation_of(report: AuditReport) -> str:
    """What the closest is to the child, with its probability and its bound."""
    if len(report.parents) > 1:
        return f"a mixture, {mixed(report.parents)}"
    said = str(report.relation)
    if report.probability is not None:
        said += f", probability {shown(report.probability)}"
    if report.bound and is_informative(report.bound):
        said += f", the child branched off {within(report.bound)}"
    return said


def remarks(report: AuditReport) -> list[str]:
    """What else a reader must know: a claim, what would help, what was refused, what counters suggest."""
    found = []
    if claim := report.claimed:
        found.append(f"claimed parent {claim.parent}: {claim.state}: {claim.reason}")
    if report.alignment:
        found += alignment_lines(report.alignment)
    if report.probe:
        found.append(_of_probe(report.probe))
        found += [f"not run: {line}" for line in report.probe.refused.values()]
    found += [f"would help: {line}" for line in report.helps]
    found += [f"left out: {line}" for line in report.refused.values()]
    found += [f"passed over: {in_words(files)}" for files in report.passed_over]
    found += [f"the same tensors, listed once: {listed(ids, most=SHOWN)}" for ids in report.duplicates]
    found += [f"hint, no evidence: {row.id}: {hint}" for row in report.candidates for hint in row.hints]
    found += [f"note: {line}" for line in report.notes]
    return found


def _table(rows: Sequence[CandidateReport]) -> Table:
    table = Table("candidate", "z", "log10 p", "from it", "distance", "relation", "probability", "within")
    for row in rows:
        table.add_row(
            row.id,
            _number(row.z, "{:.1f}"),
            f"{row.log10_p:.1f}",
            _number(row.coverage, "{:.0%}"),
            _number(row.distance, "{:.3f}"),
            row.relation or "",
            "" if row.probability is None else shown(row.probability),
            _number(row.bound if is_informative(row.bound) else None, "{:.0%}"),
        )
    return table


def _of_margin(margin: Margin | None) -> str:
    """How far the closest is from the next and the farthest of the family, and from the most similar outside it."""
    if margin is None:
        return ""
    parts = []
    if margin.parted is not None:
        parts.append(f"the child changed by {margin.parted:.3f} since they parted")
    if margin.next is not None:
        parts.append(f"next {margin.next} with {margin.next_parted:.3f}")
    if margin.farthest not in (None, margin.next):
        parts.append(f"farthest {margin.farthest} with {margin.farthest_parted:.3f}")
    if margin.outside is not None:
        parts.append(f"z {margin.z:.1f}, outside the family at most {margin.outside_z:.1f}")
    return f" ({'; '.join(parts)})" if parts else ""


def _of_probe(probe: ProbeReport) -> str:
    best = f"{probe.best} with {probe.scores[probe.best]:.3f}" if probe.best else "no candidate"
    agrees = "agrees" if probe.agrees else "does not agree"
    return f"features of {probe.architecture} on {probe.inputs}: {best} is the most similar; {agrees}"


def _number(value: float | None, form: str) -> str:
    return "" if value is None else form.format(value)
