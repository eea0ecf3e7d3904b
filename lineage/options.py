"""Options that several commands share, and how they are understood."""

import io
import os
import signal
import sys
from pathlib import Path
from typing import Annotated, NoReturn, TextIO

import typer

from lineage.errors import UserError, printable

CHECKPOINTS = "Checkpoints"
"""The heading in the help of commands on models."""
RESULTS = "Results of experiments"
"""The heading of commands on what the workflow computed."""
PRINTED = ("-", "/dev/stdout")
"""Given as a file, the standard output."""


def say(line: str) -> None:
    """Prints a line of progress where it does not mix with the result."""
    print(printable(line), file=sys.stderr)


def print_version(asked: bool) -> None:
    """Prints the version of the installed package, and ends."""
    if asked:
        from importlib.metadata import version

        typer.echo(f"lineage {version('neural-lineage')}")
        raise typer.Exit


def forgiving(output: TextIO) -> None:
    """Lets an output of another encoding than UTF-8 write out what it lacks, as standard error does, and not fail."""
    if isinstance(output, io.TextIOWrapper):
        output.reconfigure(errors="backslashreplace")


def end_unread() -> NoReturn:
    """Ends a command of whose output nobody reads the rest, as `head` leaves it: quietly, as Unix tools do."""
    for number in (1, 2):  # Python would try once more at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), number)
    sys.exit(128 + signal.SIGPIPE)


def end_unwritten(number: int) -> NoReturn:
    """Ends a command whose output cannot be written, as on a full disk, with one line; number: of the error."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # Python would try once more at its end
    print(f"error: what is printed could not be written: {os.strerror(number)}", file=sys.stderr)
    sys.exit(UserError.exit_code)


def expanded(arguments: list[str]) -> list[str]:
    """Arguments with the home folder for `~`, which shells leave alone in quotes and after `=`."""
    return [_expanded(argument) for argument in arguments]


def _expanded(argument: str) -> str:
    option, equals, value = argument.partition("=") if argument.startswith("--") else ("", "", argument)
    is_home = value == "~" or value.startswith("~/")
    return f"{option}{equals}{Path(value).expanduser()}" if is_home else argument


def printed_alone(path: Path | None) -> Path | None:
    """For `-`, the standard output, to which from now on nothing else is printed: the rest goes to standard error."""
    if path is None or str(path) not in PRINTED:
        return path
    sys.stdout.flush()
    alone = os.dup(1)
    os.dup2(2, 1)
    return Path(f"/dev/fd/{alone}")


JsonTo = Annotated[
    Path | None, typer.Option("--json", help="Write it as JSON; - prints it alone.", callback=printed_alone)
]
HtmlTo = Annotated[Path | None, typer.Option("--html", help="Write it as one HTML page.")]
Cache = Annotated[Path | None, typer.Option(help="Where digests are kept; by default the user's cache.")]
NoCache = Annotated[bool, typer.Option("--no-cache", help="Keep no digests.")]
FollowLinks = Annotated[bool, typer.Option("--follow-links", help="Follow links out of the folders given.")]
Results = Annotated[Path, typer.Argument(help="The folder of results.")]
