"""A figure: a chart with what a reader, and a reader who cannot see it, has to know."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import altair as alt
import pandas as pd

from lineage.report.palette import STYLE

PAPER_WIDTH = 320
"""Pixels of a figure in a file: a column of a page at 96 pixels an inch."""
SHARES, ALL_RIGHT = ("mean", "right", "share"), 100
"""The column of a figure's data that holds accuracies, in per cent, or shares of right answers; if it has one."""
PANEL = 140
"""Least pixels of one panel of a figure of several."""


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One figure of the page, and of the files."""

    name: str
    """The file's name without its ending."""
    title: str
    caption: str
    alt: str
    chart: alt.Chart = field(repr=False)
    data: pd.DataFrame = field(repr=False)
    """What the chart draws, as the page's table under it shows it."""
    experiment: str = ""
    """Whose it is; where it sets several beside each other, what their names share, or nothing."""
    kind: str = "wide"
    """How it takes a width: `wide` stretches, `panels` chooses columns, `square` keeps its form."""

    def specification(self) -> dict:
        """The Vega-Lite specification, at a paper column's width."""
        chart = self.chart
        if self.kind == "panels":
            chart = chart.properties(columns=2)
        elif self.kind == "square":
            chart = chart.properties(width=PAPER_WIDTH, height=PAPER_WIDTH)
        else:
            chart = chart.properties(
                width=PAPER_WIDTH, autosize=alt.AutoSizeParams(type="fit-x", contains="padding")
            )
        with alt.data_transformers.enable("default", max_rows=None):
            specification = chart.to_dict(validate=False) | {"config": STYLE, "description": self.alt}
        shown = list(self.data.columns)
        [rows] = [name for name, rows in specification["datasets"].items() if list(rows[0]) == shown]
        return specification | {"usermeta": {"kind": self.kind, "panel": PANEL, "rows": rows}}


def hover(columns: Iterable[str]) -> list[alt.Tooltip]:
    """What pointing at a mark shows. Altair would search all its classes for the one of a bare name."""
    return [alt.Tooltip(column) for column in columns]


def nothing_to_see(figure: Figure) -> str | None:
    """Why a figure of shares shows nothing, if it does: one dot alone, or every accuracy at 100 %."""
    shares = next((figure.data[column] for column in SHARES if column in figure.data), None)
    if shares is None:
        return None
    if len(shares) == 1:
        return "one dot"
    return "all at 100 %" if (shares == ALL_RIGHT).all() and shares.name == "mean" else None


def groups_of(frame: pd.DataFrame, keys: list[str]) -> list[tuple[tuple, pd.DataFrame]]:
    """The groups of a frame, in the order in which they appear."""
    return list(frame.groupby(keys, sort=False)) if len(frame) else []
