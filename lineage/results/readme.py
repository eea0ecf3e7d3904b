"""The README's screen: what a run prints of its results, from the committed ones; no torch is imported."""

import io
import re
from pathlib import Path

from rich.console import Console

from lineage.errors import UserError
from lineage.results.summary import print_matrices
from lineage.storage.atomic import written_whole
from lineage.storage.parquet import read_table
from lineage.storage.schemas import RESULTS

PLACE = re.compile(
    r"(?P<begin><!-- screen of (?P<experiment>[a-z0-9_-]+): begin -->\n).*?(?P<end><!-- screen: end -->)",
    re.DOTALL,
)
"""Where the screen stands, and of which experiment it is."""
COLUMNS = 108
"""Of the screen."""


def write_screen(results: Path, path: Path) -> None:
    """Puts the screen of an experiment into its place on a page, which names the experiment.

    Args:
        results: a folder of results; path: the page.

    Raises:
        UserError: if the page has no place for it, or the experiment has no results.
    """
    text = path.read_text()
    place = PLACE.search(text)
    if not place:
        raise UserError(
            f"{path}: expected the lines `<!-- screen of NAME: begin -->` and `<!-- screen: end -->`"
        )
    block = f"\n```\n{screen(results / place['experiment'])}```\n\n"
    with written_whole(path) as part:
        part.write_text(text[: place.end("begin")] + block + text[place.start("end") :])


def screen(folder: Path) -> str:
    """What a run prints of an experiment's results: the matrix, and what its intervals say.

    Args:
        folder: the experiment's.
    """
    console = Console(file=io.StringIO(), width=COLUMNS, highlight=False, force_terminal=False)
    print_matrices(console, read_table(folder / "results.parquet", RESULTS))
    return "".join(f"{line.rstrip()}\n" for line in console.file.getvalue().splitlines())
