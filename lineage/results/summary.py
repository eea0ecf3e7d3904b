"""The closing screen of a run: methods and conditions, where the tables are, and where the time went."""

import json
from collections.abc import Collection, Iterable
from pathlib import Path

import pandas as pd
from rich.console import Console
from rich.table import Column, Table

from lineage.results.matrix import MULTIPLE, Matrix, against_leader, conclusions, leader_of, matrices
from lineage.results.summarise import ended
from lineage.results.tables import PUBLISHED_NUMBERS, accuracy_table, conditions_table
from lineage.storage.parquet import read_table
from lineage.storage.schemas import PUBLISHED, RESULTS


def time_by_stage(logs: Iterable[Path]) -> pd.DataFrame:
    """Jobs and seconds of importing and of computing of each rule, in the order of the first job's end.

    Args:
        logs: the `*.time.json` files that the stages wrote.
    """
    jobs = [json.loads(path.read_text()) for path in ended(logs)]
    frame = pd.DataFrame(jobs, columns=["rule", "import", "compute"])
    return frame.groupby("rule", sort=False).agg(
        jobs=("rule", "size"), importing=("import", "sum"), computing=("compute", "sum")
    )


def table_of(matrix: Matrix) -> Table:
    """The matrix as it is printed: of each method the mean, and a sign where it is surely behind or ahead."""
    signs, leader = against_leader(matrix), leader_of(matrix)
    title = f"{matrix.experiment}: accuracy, %"
    caption = f"▼ surely behind {leader}, ▲ surely ahead: intervals do not meet" if signs else None
    names = Column("method", min_width=max(map(len, matrix.methods)))
    table = Table(names, *matrix.columns, title=title, caption=caption)
    for method in matrix.methods:
        cells = []
        for column in matrix.columns:
            cell = matrix.cell(method, column)
            sign = " ▲▼"[signs.get((method, column), 0)]
            cells.append("" if cell is None else f"{cell['mean']:.1f} {sign}".rstrip())
        table.add_row(method, *cells)
    table.add_section()
    table.add_row("chance", *map(matrix.chance, matrix.columns))
    table.add_row("n", *map(matrix.n, matrix.columns))
    return table


def print_summary(results: Path, jobs: Collection[tuple[str, str | None]]) -> None:
    """Prints the closing screen of a run: of what it has brought up to date, and of no older results.

    Args:
        results: the folder of results.
        jobs: (rule, experiment) of the run's jobs, whether or not there was something to do.
    """
    console = Console(stderr=True, highlight=False)
    rules = {rule for rule, _ in jobs}
    for experiment in sorted(experiment for rule, experiment in jobs if rule == "evaluate"):
        print_matrices(console, read_table(results / experiment / "results.parquet", RESULTS))
    times = time_by_stage(results.glob("logs/**/*.time.json"))
    times = times[times.index.isin(rules)]
    table = Table("stage", "jobs", "importing", "computing", title="seconds by stage, last run of each job")
    for rule, row in times.iterrows():
        table.add_row(rule, f"{row['jobs']:.0f}", f"{row['importing']:.1f}", f"{row['computing']:.1f}")
    total = times[["importing", "computing"]].sum()
    share = total["computing"] / total.sum()
    table.add_section()
    table.add_row("all", f"{times['jobs'].sum()}", f"{total['importing']:.1f}", f"{total['computing']:.1f}")
    console.print(table)
    console.print(f"{share:.0%} of the jobs' time is computing, the rest is importing")
    if "tables" in rules:
        console.print(f"tables: {', '.join(map(str, sorted((results / 'tables').glob('*'))))}")
    if "report" in rules:
        console.print(f"page: {results / 'report.html'}")


def print_matrices(console: Console, results: pd.DataFrame) -> None:
    """Prints the matrix of every experiment, and what its intervals say.

    Args:
        results: RESULTS.
    """
    table = accuracy_table(results, read_table(PUBLISHED_NUMBERS, PUBLISHED))
    for matrix in matrices(table, conditions_table(results)):
        console.print(table_of(matrix))
        console.print("\n".join([*conclusions(matrix), MULTIPLE]))
