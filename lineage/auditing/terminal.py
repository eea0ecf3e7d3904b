"""An audit on the terminal."""

from collections import Counter

from rich.console import Console
from rich.table import Table

SHOWN = 8
"""Candidates in the table; the JSON has all."""


def print_report(report: dict) -> None:
    """Prints the verdict, the nearest candidates and the layers."""
    console = Console(highlight=False, markup=False, soft_wrap=True)
    console.width = max(console.width, 110)
    console.print(headline(report))
    console.print(f"  {report['reason']} (decided by: {report['decided_by']})")
    for line in remarks(report):
        console.print(f"  {line}")
    table = Table("candidate", "z", "log10 p", "from it", "distance", "kept", "position", "reading")
    for row in report["candidates"][:SHOWN]:
        table.add_row(
            row["id"],
            _number(row["z"], "{:.1f}"),
            f"{row['log10_p']:.1f}",
            _number(row["coverage"], "{:.0%}"),
            _number(row["distance"], "{:.3f}"),
            _number(row["retention_of_candidate"], "{:.3f}"),
            _number(row["position"], "{:.2f}"),
            row["reading"] or "",
        )
    console.print(table)
    if len(report["candidates"]) > SHOWN:
        console.print(f"  and {len(report['candidates']) - SHOWN} more")
    states = Counter((layer["state"], layer["source"]) for layer in report["layers"])
    told = [f"{count} {state}{f' ({source})' if source else ''}" for (state, source), count in states.items()]
    console.print(f"layers: {', '.join(told)}")


def headline(report: dict) -> str:
    """The verdict in words."""
    name = report["child"]["path"]
    if len(report["parents"]) > 1:
        mixed = " + ".join(f"{weight:.2f} {parent}" for parent, weight in report["parents"].items())
        said = f"{report['verdict']}: a mixture, {mixed}"
    elif report["parent"]:
        said = f"{report['verdict']}: {report['parent']}"
    else:
        said = report["verdict"]
    chance = "" if report["log10_p"] is None else f" (log10 p {report['log10_p']:.1f})"
    return f"{name}: {said}{chance}"


def remarks(report: dict) -> list[str]:
    """What else a reader must know: a contradicted claim, the margin, what would help, what was refused."""
    found = []
    if claim := report["claimed"]:
        if not claim["is_known"]:
            found.append(f"the claimed parent {claim['parent']} is not among the candidates")
        else:
            said = (
                "the weights contradict it"
                if claim["is_contradicted"]
                else "the weights do not contradict it"
            )
            found.append(f"claimed parent {claim['parent']}: {said}")
    margin = report["margin"]
    if margin and margin["runner_up"] and report["parent"]:
        found.append(
            f"margin: z {margin['z']:.1f}, next {margin['runner_up']} with {margin['runner_up_z']:.1f}"
        )
    if probe := report.get("probe"):
        agrees = "agrees" if probe["agrees"] else "does not agree"
        best = (
            f"{probe['best']} with {probe['scores'][probe['best']]:.3f}" if probe["best"] else "no candidate"
        )
        found.append(
            f"features of {probe['architecture']} on {probe['inputs']}: {best} is the most alike; {agrees}"
        )
        found += [f"not run: {line}" for line in probe["refused"].values()]
    found += [f"would help: {line}" for line in report["helps"]]
    found += [f"left out: {line}" for line in report["refused"].values()]
    found += [f"note: {line}" for line in report["notes"]]
    return found


def _number(value: float | None, form: str) -> str:
    return "" if value is None else form.format(value)
