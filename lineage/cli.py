"""The command `lineage`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from lineage import commands
from lineage.asking import commands as asking_commands
from lineage.errors import UserError
from lineage.extras import missing
from lineage.options import (
    CHECKPOINTS,
    RESULTS,
    Cache,
    FollowLinks,
    HtmlTo,
    JsonTo,
    NoCache,
    Results,
    end_unread,
    end_unwritten,
    expanded,
    forgiving,
    print_version,
    say,
)
from lineage.report import commands as report_commands

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["--help", "-h"]},
)
app.add_typer(commands.app)
app.add_typer(asking_commands.app)
app.add_typer(report_commands.app)


@app.callback()
def lineage(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=print_version, is_eager=True)
    ] = False,
) -> None:
    """Tells which network another network was fine-tuned from."""


@app.command(rich_help_panel=CHECKPOINTS, context_settings={"allow_extra_args": True})
def audit(
    context: typer.Context,
    child: Annotated[
        str, typer.Option(help="The suspect checkpoint: FILE, or FILE::ID of a file with several.")
    ],
    candidates: Annotated[
        str, typer.Option(help="Possible parents: a folder, a quoted glob, models.tsv or a file.")
    ] = "",
    initial: Annotated[
        str, typer.Option(help="An initialisation that its owner reveals: whether the child comes from it.")
    ] = "",
    unrelated: Annotated[str, typer.Option(help="Networks known to be unrelated, named likewise.")] = "",
    claimed: Annotated[
        str, typer.Option(help="The id of the candidate that is claimed to be the parent.")
    ] = "",
    alpha: Annotated[float, typer.Option(help="The false-positive rate.")] = 0.01,
    arch: Annotated[str, typer.Option(help="The architecture, as timm:resnet18, for a probe.")] = "",
    probe: Annotated[
        str, typer.Option(help="A folder of images by class, a Parquet file, or noise.")
    ] = "noise",
    image_size: Annotated[int, typer.Option(min=1, help="Pixels of the probe.")] = 224,
    channels: Annotated[int, typer.Option(min=1, max=3, help="Channels of the probe: 1 or 3.")] = 3,
    json_to: JsonTo = None,
    html_to: HtmlTo = None,
    cache: Cache = None,
    no_cache: NoCache = False,
    follow_links: FollowLinks = False,
) -> None:
    """Says which candidates are of a checkpoint's family, which is the closest, and what it is to the checkpoint.

    Nothing in any file is executed. Exit codes: 0 parent or same weights, 6 same family but no parent is named,
    3 none of these, 4 cannot tell, 5 unsupported, 2 bad input.
    """
    if more := context.args:
        raise UserError(
            f"{more[0]}: expected one argument after each option, got {len(more)} more; put a pattern in quotes, as "
            "--candidates 'runs/*.pt', so that the shell leaves it alone, or give a folder or a table of models"
        )
    if probe != "noise" and not arch:
        raise UserError("--probe: features need the networks; give their architecture (--arch)")
    if not candidates and (json_to or html_to):
        raise UserError(
            "--candidates: expected possible parents, of which --json and --html are the report; got none"
        )
    if initial:
        from lineage.auditing.initial import against_initial, sentence

        test = against_initial(child, initial, alpha=alpha, follow=follow_links)
        typer.echo(sentence(child, initial, test, alpha))
        if not candidates:
            raise typer.Exit(0 if 10**test.log10_p <= alpha else 3)
    elif not candidates:
        raise UserError(
            "--candidates: expected possible parents, or an initialisation (--initial); got neither"
        )
    from lineage.auditing.report.bundle import write_html, write_json
    from lineage.auditing.report.terminal import print_report
    from lineage.auditing.run import audit as audited
    from lineage.auditing.stages.verdict import EXIT_CODES

    report = audited(
        child,
        candidates,
        unrelated=unrelated or None,
        claimed=claimed,
        alpha=alpha,
        follow_links=follow_links,
        cache=cache,
        store_digests=not no_cache,
        arch=arch,
        probe=probe,
        image_size=image_size,
        channels=channels,
        say=say,
    )
    try:
        if json_to:
            write_json(report, json_to)
        if html_to:
            write_html(report.to_dict(), html_to)
    finally:
        print_report(report)
    raise typer.Exit(EXIT_CODES[report.verdict])


@app.command(rich_help_panel=CHECKPOINTS)
def verify(
    bundle: Annotated[Path, typer.Argument(help="The JSON that `lineage audit --json` wrote.")],
) -> None:
    """Recomputes an audit from its inputs and names what differs; exit code 1 if anything does."""
    from lineage.auditing.verify import differences

    found = differences(bundle)
    for line in found:
        typer.echo(line)
    differ = "1 difference" if len(found) == 1 else f"{len(found)} differences"
    typer.echo(f"{bundle}: {differ if found else 'verified, nothing differs'}")
    raise typer.Exit(1 if found else 0)


@app.command(rich_help_panel=RESULTS)
def resources(results: Results = Path("results")) -> None:
    """Prints the memory and time that the jobs of a folder of results asked for, beside what they used."""
    from lineage.jobs.usage import usage

    table = usage(sorted(results.glob("benchmarks/**/*.jsonl")))
    typer.echo(
        table.to_markdown(index=False, floatfmt=["", "", ".0f", ".0f", ".0f", ".0f", ".1f", ".0f", ".0f"])
    )


@app.command(rich_help_panel=RESULTS)
def unlock() -> None:
    """Removes the lock that a killed run left in this folder; refuses while one of its processes lives."""
    from lineage.jobs.lock import remove_stale_lock

    for path in remove_stale_lock(Path.cwd()):
        typer.echo(f"removed {path}, left by a run that was killed", err=True)


def main() -> None:
    """Runs the command; a user's mistake ends as one line and exit code 2, as output does that cannot be written."""
    sys.argv[1:] = expanded(sys.argv[1:])
    forgiving(sys.stdout)
    try:
        app()
    except SystemExit as ended:
        if isinstance(ended.__context__, BrokenPipeError):  # typer and rich end with 1 when nobody reads on
            end_unread()
        raise
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except OSError as error:
        if error.filename is not None or error.errno is None:
            raise
        end_unwritten(error.errno)
    except ModuleNotFoundError as error:
        library = (error.name or "").partition(".")[0]
        if library == "lineage":
            raise
        print(missing(library, sys.argv[1]), file=sys.stderr)
        sys.exit(UserError.exit_code)
