"""Small multiples: the grid of panels of every such figure, and panels of lines with intervals and chance."""

from collections.abc import Iterable

import altair as alt
import pandas as pd

from lineage.report import palette
from lineage.report.figure import PANEL, Figure, hover
from lineage.results.methods import similarity_of


def facets(chart: alt.LayerChart | alt.Chart, column: str, order: Iterable[str]) -> alt.FacetChart:
    """One panel for each value of a column, in this order, two beside each other."""
    header = alt.Header(labelPadding=2)
    facet = alt.Facet(f"{column}:N", title=None, sort=list(dict.fromkeys(order)), header=header)
    return chart.facet(facet=facet, columns=2, spacing=10)


def panels(
    frame: pd.DataFrame,
    x: alt.X,
    *,
    value: str = "accuracy",
    unit: str = ", %",
    dash: str | None = None,
    **words: str,
) -> Figure:
    """A figure with one panel a similarity, and one line an approximation.

    Args:
        frame: one row a point: method, what x names, mean, n; low and high, and chance, where they are known.
        x: the encoding of the x axis.
        value: what y is called.
        unit: of y.
        dash: a column that decides how lines are dashed.
        words: the figure's name, title, caption and alt.
    """
    methods = list(frame["method"])
    column = x.shorthand.partition(":")[0]
    columns = ["method", column, *([dash] if dash else []), "mean", "low", "high", "n", "chance"]
    columns = [name for name in columns if name in frame]
    rows = frame[columns].round(4)
    rows = rows.assign(
        family=rows["method"].map(palette.label_of), similarity=rows["method"].map(similarity_of)
    )
    title = f"{value}{unit} ({range_of(rows['n'])})"
    y = alt.Y("mean:Q", title=title, scale=alt.Scale(domain=[0, 100]))
    colour = palette.colour(methods)
    tooltip = [column, *(name for name in columns if name != column)]
    base = alt.Chart().encode(x=x)
    detail = {"strokeDash": alt.StrokeDash(f"{dash}:N", title=None)} if dash else {}
    layers = [
        base.mark_line(strokeWidth=1.3).encode(y=y, color=colour, **detail),
        base.mark_point(filled=True, size=26, opacity=1).encode(
            y=y, color=colour, shape=palette.shape(methods), tooltip=hover(tooltip)
        ),
    ]
    if "low" in rows:
        bars = base.mark_rule(strokeWidth=1, opacity=0.55)
        layers.insert(1, bars.encode(y=alt.Y("low:Q", title=title), y2="high:Q", color=colour))
    if "chance" in rows:
        chance = base.mark_line(strokeDash=[2, 2], strokeWidth=1, color=palette.INK, opacity=0.6)
        layers.insert(0, chance.encode(y=alt.Y("chance:Q", title=title)))
    panel = alt.layer(*layers, data=rows).properties(width=PANEL - 30, height=112)
    return Figure(chart=facets(panel, "similarity", rows["similarity"]), data=rows, kind="panels", **words)


def range_of(counts: pd.Series) -> str:
    """How many there are: `n = 20`, or `n = 20 … 45` where panels or marks differ."""
    least, most = counts.min(), counts.max()
    return f"n = {least}" if least == most else f"n = {least} … {most}"


def beside_the_diagonal(x: alt.X, y: alt.Y, *layers: alt.Chart) -> alt.LayerChart:
    """Layers of two shares over a dotted line from (0, 0) to (1, 1), on which they are equal."""
    ends = pd.DataFrame(
        [{x.shorthand.partition(":")[0]: end, y.shorthand.partition(":")[0]: end} for end in (0, 1)]
    )
    line = alt.Chart(ends).mark_line(strokeDash=[2, 2], color=palette.INK, opacity=0.6).encode(x=x, y=y)
    return alt.layer(line, *layers).properties(height=220)
