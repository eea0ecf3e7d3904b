"""The subcommands of `lineage` that make tables, figures and pages from results of experiments."""

from pathlib import Path
from typing import Annotated

import typer

from lineage.errors import UserError
from lineage.options import RESULTS, Results, say

app = typer.Typer()


@app.command(rich_help_panel=RESULTS)
def tables(results: Results = Path("results")) -> None:
    """Makes the result tables anew from a folder's results.parquet files, into its folder tables."""
    from lineage.results.tables import PUBLISHED_NUMBERS, write_tables

    found = sorted(results.glob("*/results.parquet"))
    if not found:
        raise UserError(
            f"{results}: expected results.parquet files, but there are none; "
            "run `make run`, or `lineage tables results/reference` for the committed ones"
        )
    for path in write_tables(found, PUBLISHED_NUMBERS, results / "tables"):
        typer.echo(path)


@app.command(rich_help_panel=RESULTS)
def report(
    results: Results = Path("results"),
    out: Annotated[Path | None, typer.Option(help="The page; by default report.html in that folder.")] = None,
) -> None:
    """Makes one self-contained page from a folder's Parquet files; it opens without a network."""
    from lineage.report.page import write_page

    path = out or results / "report.html"
    say(f"drawing the results of {results}")
    write_page(results, path)
    typer.echo(path)


@app.command(rich_help_panel=RESULTS)
def figures(
    results: Results = Path("results"),
    out: Annotated[
        Path | None, typer.Option(help="Where to; by default the folder's folder figures.")
    ] = None,
) -> None:
    """Draws every figure as SVG, PDF and PNG from a folder's Parquet files."""
    from lineage.report.files import write_figures

    say(f"drawing the results of {results}")
    for path in write_figures(results, out or results / "figures"):
        typer.echo(path)


@app.command(rich_help_panel=RESULTS)
def results_page(
    results: Results = Path("results/reference"),
    out: Annotated[Path, typer.Option(help="The page.")] = Path("docs/results.md"),
    audits: Annotated[
        Path, typer.Option(help="The page that says how often verdicts on checkpoints are right.")
    ] = Path("docs/audit.md"),
    trees: Annotated[
        Path, typer.Option(help="The page that says how often edges of trees are right.")
    ] = Path("docs/tree.md"),
    disguises: Annotated[
        Path, typer.Option(help="The page that says how often audits see through disguises.")
    ] = Path("docs/disguises.md"),
    labels: Annotated[
        Path, typer.Option(help="The page that says how often answers of a suspect are read rightly.")
    ] = Path("docs/labels.md"),
    searches: Annotated[
        Path, typer.Option(help="The page that says how often searches find relatives.")
    ] = Path("docs/index.md"),
    readme: Annotated[Path, typer.Option(help="The page that shows what a run prints.")] = Path("README.md"),
) -> None:
    """Makes the page of measured results beside the paper's claims, the README's screen and the rates of verdicts."""
    from lineage.report.disguise_rates import disguise_rates
    from lineage.report.verdict_rates import rates, write_rates
    from lineage.results.claims_page import write_page
    from lineage.results.readme import write_screen
    from lineage.results.tables import PUBLISHED_NUMBERS

    write_page(results, PUBLISHED_NUMBERS, out)
    typer.echo(out)
    write_screen(results, readme)
    typer.echo(readme)
    pages = {
        "verdicts": (audits, rates),
        "disguises": (disguises, disguise_rates),
        "tree": (trees, rates),
        "labels": (labels, rates),
        "index": (searches, rates),
    }
    for name, (page, tables) in pages.items():
        if (bench := results / "bench" / f"{name}.parquet").exists():
            write_rates(bench, page, tables)
            typer.echo(page)


@app.command(rich_help_panel=RESULTS)
def summarise(
    results: Results = Path("results"),
    to: Annotated[Path | None, typer.Option(help="Where to; by default the same folder.")] = None,
    config: Annotated[
        Path | None, typer.Option(help="The configuration that was run, for its digest.")
    ] = None,
) -> None:
    """Summarises a run's scores, predictions and logs as the small Parquet files that the report reads."""
    from lineage.results.run_facts import experiments_of
    from lineage.results.summarise import write_summaries

    for path in write_summaries(results, to or results, experiments_of(config) if config else None):
        typer.echo(path)


@app.command(rich_help_panel=RESULTS)
def intervals(results: Results = Path("results")) -> None:
    """Computes the intervals of a folder's results anew, from the verdicts beside them; those of earlier versions."""
    from lineage.results.repooled import write_intervals

    for path in write_intervals(results):
        typer.echo(path)
