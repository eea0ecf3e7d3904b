"""The page's chapters: all that belongs to one experiment, behind one heading."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from lineage.report.figure import Figure
from lineage.report.sections import Filled

ACROSS = "Across experiments"
"""The heading of what sets several experiments beside each other."""


@dataclass(frozen=True, kw_only=True)
class Chapter:
    """The sections of one experiment, or of several beside each other."""

    id: str
    heading: str
    sections: list[Filled]


def chapters(sections: Sequence[Filled], experiments: Sequence[str]) -> list[Chapter]:
    """A chapter for each experiment, in this order, and a last one for figures of several, if there are any.

    Args:
        sections: with the figures of all experiments; in a chapter are those that have some of its own.
        experiments: their names.
    """
    found = [
        Chapter(id=f"experiment-{name}", heading=name, sections=_of({name}, sections)) for name in experiments
    ]
    drawn = [figure for filled in sections for figure in _all(filled)]
    others = {figure.experiment for figure in drawn} - set(experiments)
    across = Chapter(id="across", heading=ACROSS, sections=_of(others, sections))
    return [*found, across] if across.sections else found


def _of(experiments: set[str], sections: Sequence[Filled]) -> list[Filled]:
    """The sections with the figures of these experiments alone."""
    mine = [
        replace(
            filled,
            figures=[figure for figure in filled.figures if figure.experiment in experiments],
            left_out=[(figure, why) for figure, why in filled.left_out if figure.experiment in experiments],
        )
        for filled in sections
    ]
    return [filled for filled in mine if _all(filled)]


def _all(filled: Filled) -> list[Figure]:
    return [*filled.figures, *(figure for figure, _ in filled.left_out)]
