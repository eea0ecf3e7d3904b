"""Whether an audit's p-values are what they say, over pairs of networks that are known to be unrelated."""

from collections.abc import Iterator

import altair as alt
import numpy as np
import pandas as pd

from lineage.report import palette
from lineage.report.figure import Figure, groups_of, hover
from lineage.report.figures.panels import beside_the_diagonal
from lineage.report.inputs import Inputs


def p_value_figures(inputs: Inputs) -> Iterator[Figure]:
    """The share of unrelated pairs whose p-value is at most p, against p."""
    unrelated = inputs.p_values[inputs.p_values["candidate"] != inputs.p_values["parent"]]
    for (experiment,), rows in groups_of(unrelated, ["experiment"]):
        shown = shares(rows)
        scale = alt.Scale(domain=[0, 1])
        x = alt.X("p:Q", title="p", scale=scale)
        y = alt.Y("share:Q", title=f"share of p-values up to p (n = {len(rows)} pairs)", scale=scale)
        chart = beside_the_diagonal(
            x,
            y,
            alt.Chart(shown)
            .mark_line(interpolate="step-after", point=True, color=palette.FILL)
            .encode(x=x, y=y, tooltip=hover(["p", "share", "pairs"])),
        )
        yield Figure(
            name=f"p-values-{experiment}",
            title=f"Calibration of the audit's p-values: {experiment}",
            caption="Every child beside each root that is not its parent, and every two roots. A test keeps its "
            "level where the line is not above the diagonal; below it p-values are conservative, as a pair's "
            "bounds those of all its matrices.",
            alt=f"Share of unrelated pairs of {experiment} with a p-value up to p, against p, and the diagonal",
            experiment=experiment,
            chart=chart,
            data=shown,
        )


def shares(rows: pd.DataFrame) -> pd.DataFrame:
    """p, and the share and number of the pairs with a p-value up to that: at every p-value that there is.

    Args:
        rows: P_VALUES of one experiment.
    """
    values = np.sort(10.0 ** rows["log10_p"].to_numpy())
    found = np.unique(values)
    pairs = np.searchsorted(values, found, side="right")
    return pd.DataFrame({"p": found, "share": pairs / len(values), "pairs": pairs}).round(4)
