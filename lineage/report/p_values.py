"""Whether the p-values of audits keep what they promise."""

from collections.abc import Iterator

import altair as alt
import numpy as np
import pandas as pd

from lineage.intervals import wilson_interval
from lineage.report import palette
from lineage.report.figure import Figure, one_each
from lineage.report.inputs import Inputs


def p_value_figures(inputs: Inputs) -> Iterator[Figure]:
    """The share of unrelated pairs whose p-value is at most a level, against the level."""
    for (experiment,), rows in one_each(inputs.p_values, ["experiment"]):
        is_related = rows["related"].astype(bool)
        p = (10 ** rows.loc[~is_related, "log10_p"]).sort_values()
        if p.empty:
            continue
        levels = sorted({0.0, 0.01, 0.05, 0.1, 1.0, *(np.ceil(1e4 * p) / 1e4)})
        shares = [(p <= level + 1e-12).mean() for level in levels]
        bounds = [wilson_interval(share, len(p)) for share in shares]
        shown = pd.DataFrame(
            {
                "level": levels,
                "share": [round(share, 4) for share in shares],
                "share_low": [round(low, 4) for low, _ in bounds],
                "share_high": [round(high, 4) for _, high in bounds],
            }
        )
        title = f"share at most the level (n = {len(p)} pairs)"
        x = alt.X("level:Q", title="level", scale=alt.Scale(domain=[0, 1]))
        y = alt.Y("share:Q", title=title, scale=alt.Scale(domain=[0, 1]))
        diagonal = alt.Chart(pd.DataFrame({"level": [0, 1], "share": [0, 1]}))
        base = alt.Chart(shown).encode(x=x)
        chart = alt.layer(
            diagonal.mark_line(strokeDash=[2, 2], color=palette.INK, opacity=0.6).encode(x=x, y=y),
            base.mark_area(color=palette.FILL, opacity=0.3, interpolate="step-after").encode(
                y=alt.Y("share_low:Q", title=title), y2="share_high:Q"
            ),
            base.mark_line(
                color=palette.INK,
                interpolate="step-after",
                point=alt.OverlayMarkDef(size=20, color=palette.INK),
            ).encode(y=y, tooltip=list(shown.columns)),
        ).properties(height=240)
        yield Figure(
            name=f"p-values-{experiment}",
            title=f"Calibration of the audits' p-values: {experiment}",
            caption="Of networks that were trained independently. A p-value is valid if the curve stays under the "
            "dotted diagonal; how far below says how cautious it is. The band is the 95 % interval (Wilson). "
            f"{_of_related(rows[is_related])}",
            alt=f"Share of unrelated pairs whose p-value is at most a level, against it, with the diagonal: "
            f"{experiment}",
            chart=chart,
            data=shown,
        )


def _of_related(rows: pd.DataFrame) -> str:
    if rows.empty:
        return "No related pair was audited."
    low, high = rows["log10_p"].min(), rows["log10_p"].max()
    return f"The {len(rows)} related pairs have log10 p from {low:.1f} to {high:.1f}."
