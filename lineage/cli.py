"""The command `lineage`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from lineage.errors import UserError

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

Results = Annotated[Path, typer.Argument(help="The folder of results.")]


@app.callback()
def lineage() -> None:
    """Tells which network another network was fine-tuned from."""


@app.command()
def tables(results: Results = Path("results")) -> None:
    """Makes the result tables anew from a folder's results.parquet files, into its folder tables."""
    from lineage.tables import PUBLISHED_NUMBERS, write_tables

    found = sorted(results.glob("*/results.parquet"))
    if not found:
        raise UserError(
            f"{results}: expected results.parquet files, but there are none; "
            "run `make run`, or `lineage tables results/reference` for the committed ones"
        )
    for path in write_tables(found, PUBLISHED_NUMBERS, results / "tables"):
        typer.echo(path)


@app.command()
def resources(results: Results = Path("results")) -> None:
    """Prints the memory and time that the jobs of a folder of results asked for, beside what they used."""
    from lineage.usage import usage

    table = usage(sorted(results.glob("benchmarks/**/*.jsonl")))
    typer.echo(
        table.to_markdown(index=False, floatfmt=["", "", ".0f", ".0f", ".0f", ".0f", ".1f", ".0f", ".0f"])
    )


@app.command()
def unlock() -> None:
    """Removes the lock that a killed run left in this folder; refuses while one of its processes lives."""
    from lineage.lock import remove_stale_lock

    for path in remove_stale_lock(Path.cwd()):
        typer.echo(f"removed {path}, left by a run that was killed", err=True)


def main() -> None:
    """Runs the command; a user's mistake ends as one line and exit code 2."""
    try:
        app()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
