"""Figures from Parquet alone; no torch is imported."""

from pathlib import Path

import altair as alt
import pandas as pd

from lineage.writing import written_whole

FEATURE_BY_FEATURE = ("l1", "l2", "lp", "linf", "lse", "cosine")
"""Similarities drawn with a full line; those of geometry are dashed."""


def alpha_chart(curves: pd.DataFrame) -> alt.Chart:
    """Accuracy against alpha: one line a similarity, a column an approximation, a row a layer.

    Each line starts with `direct`, which is every approximation at alpha 0.

    Args:
        curves: CURVES of one setting; weight similarities have no alpha and are left out.
    """
    curves = curves[~curves["similarity"].str.startswith("weight_")]
    is_direct = curves["approximation"] == "direct"
    moving = curves[~is_direct]
    starts = [
        curves[is_direct].assign(approximation=approximation)
        for approximation in moving["approximation"].unique()
    ]
    lines = pd.concat([moving, *starts])
    lines = lines.assign(
        accuracy=100 * lines["accuracy"],
        kind=lines["similarity"]
        .isin(FEATURE_BY_FEATURE)
        .map({True: "feature by feature", False: "geometry"}),
    )
    n = lines["n"].iloc[0]
    return (
        alt.Chart(lines, title=f"accuracy over all {n} children; alpha 0 is direct")
        .mark_line(point=True)
        .encode(
            x=alt.X("alpha:Q", title="alpha"),
            y=alt.Y("accuracy:Q", title="accuracy, %", scale=alt.Scale(domain=[0, 100])),
            color=alt.Color("similarity:N", scale=alt.Scale(scheme="tableau20"), sort=None),
            strokeDash=alt.StrokeDash("kind:N", title=None),
            row=alt.Row("layer:N", title=None),
            column=alt.Column("approximation:N", title=None),
        )
        .properties(width=220, height=180)
    )


def save(chart: alt.Chart, path: str | Path) -> None:
    """Writes a chart as SVG."""
    with written_whole(path) as part:
        chart.save(str(part), format="svg")
