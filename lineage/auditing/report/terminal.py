"""An audit on the terminal."""

from collections import Counter

from rich.console import Console
from rich.table import Table

from lineage.auditing.report.types import AuditReport, Claim, ProbeReport

SHOWN = 8
"""Candidates in the table; the JSON has all."""


def print_report(report: AuditReport) -> None:
    """Prints the verdict, the nearest candidates and the layers."""
    console = Console(highlight=False, markup=False, soft_wrap=True)
    console.width = max(console.width, 110)
    console.print(headline(report))
    console.print(f"  {report.reason} (decided by: {report.decided_by})")
    for line in remarks(report):
        console.print(f"  {line}")
    table = Table("candidate", "z", "log10 p", "from it", "distance", "lost", "relation")
    for row in report.candidates[:SHOWN]:
        table.add_row(
            row.id,
            _number(row.z, "{:.1f}"),
            f"{row.log10_p:.1f}",
            _number(row.coverage, "{:.0%}"),
            _number(row.distance, "{:.3f}"),
            _number(row.share_lost, "{:.2f}"),
            row.relation or "",
        )
    console.print(table)
    if len(report.candidates) > SHOWN:
        console.print(f"  and {len(report.candidates) - SHOWN} more")
    states = Counter((layer.state, layer.source) for layer in report.layers)
    counts = [
        f"{count} {state}{f' ({source})' if source else ''}" for (state, source), count in states.items()
    ]
    console.print(f"layers: {', '.join(counts)}")


def headline(report: AuditReport) -> str:
    """The verdict in words."""
    verdict = str(report.verdict)
    if len(report.parents) > 1:
        mixed = " + ".join(f"{weight:.2f} {parent}" for parent, weight in report.parents.items())
        verdict += f": a mixture, {mixed}"
    elif report.parent:
        verdict += f": {report.parent}"
    chance = "" if report.log10_p is None else f" (log10 p {report.log10_p:.1f})"
    return f"{report.child.path}: {verdict}{chance}"


def remarks(report: AuditReport) -> list[str]:
    """What else a reader must know: a contradicted claim, the margin, what would help, what was refused."""
    found = []
    if report.claimed:
        found.append(_of_claim(report.claimed))
    margin = report.margin
    if margin and margin.runner_up and report.parent:
        found.append(f"margin: z {margin.z:.1f}, next {margin.runner_up} with {margin.runner_up_z:.1f}")
    if report.probe:
        found.append(_of_probe(report.probe))
        found += [f"not run: {line}" for line in report.probe.refused.values()]
    found += [f"would help: {line}" for line in report.helps]
    found += [f"left out: {line}" for line in report.refused.values()]
    found += [f"note: {line}" for line in report.notes]
    return found


def _of_claim(claim: Claim) -> str:
    if not claim.is_known:
        return f"the claimed parent {claim.parent} is not among the candidates"
    contradict = "contradict" if claim.is_contradicted else "do not contradict"
    return f"claimed parent {claim.parent}: the weights {contradict} it"


def _of_probe(probe: ProbeReport) -> str:
    best = f"{probe.best} with {probe.scores[probe.best]:.3f}" if probe.best else "no candidate"
    agrees = "agrees" if probe.agrees else "does not agree"
    return f"features of {probe.architecture} on {probe.inputs}: {best} is the most similar; {agrees}"


def _number(value: float | None, form: str) -> str:
    return "" if value is None else form.format(value)
