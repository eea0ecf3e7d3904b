"""Small multiples: one panel a similarity, one line an approximation, with intervals and chance."""

import altair as alt
import pandas as pd

from lineage.report import palette
from lineage.report.figure import PANEL
from lineage.results.methods import similarity_of


def panels(
    frame: pd.DataFrame, x: alt.X, *, value: str = "accuracy", unit: str = ", %", dash: str | None = None
) -> tuple[alt.FacetChart, pd.DataFrame]:
    """The chart, and the rows that it draws.

    Args:
        frame: one row a point: method, what x names, mean, low, high, n; chance where it is known.
        x: the encoding of the x axis.
        value: what y is called.
        unit: of y.
        dash: a column that decides how lines are dashed.
    """
    methods = list(frame["method"])
    column = x.shorthand.partition(":")[0]
    kept = ["method", column, *([dash] if dash else []), "mean", "low", "high", "n"]
    kept += ["chance"] if "chance" in frame else []
    rows = frame[kept].round(4)
    rows = rows.assign(
        family=rows["method"].map(palette.label_of), similarity=rows["method"].map(similarity_of)
    )
    counts = sorted(set(rows["n"]))
    told = f"n = {counts[0]}" if len(counts) == 1 else f"n = {counts[0]} … {counts[-1]}"
    title = f"{value}{unit} ({told})"
    y = alt.Y("mean:Q", title=title, scale=alt.Scale(domain=[0, 100]))
    colour = palette.colour(methods)
    tooltip = [column, *(name for name in kept if name != column)]
    base = alt.Chart().encode(x=x)
    detail = {"strokeDash": alt.StrokeDash(f"{dash}:N", title=None)} if dash else {}
    layers = [
        base.mark_line(strokeWidth=1.3).encode(y=y, color=colour, **detail),
        base.mark_rule(strokeWidth=1, opacity=0.55).encode(
            y=alt.Y("low:Q", title=title), y2="high:Q", color=colour
        ),
        base.mark_point(filled=True, size=26, opacity=1).encode(
            y=y, color=colour, shape=palette.shape(methods), tooltip=tooltip
        ),
    ]
    if "chance" in rows:
        chance = base.mark_line(strokeDash=[2, 2], strokeWidth=1, color=palette.INK, opacity=0.6)
        layers.insert(0, chance.encode(y=alt.Y("chance:Q", title=title)))
    order = list(dict.fromkeys(rows["similarity"]))
    chart = (
        alt.layer(*layers, data=rows)
        .properties(width=PANEL - 30, height=112)
        .facet(
            facet=alt.Facet("similarity:N", title=None, sort=order, header=alt.Header(labelPadding=2)),
            columns=2,
            spacing=10,
        )
    )
    return chart, rows
