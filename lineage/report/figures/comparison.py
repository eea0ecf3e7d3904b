"""Published accuracies beside ours."""

from collections.abc import Iterator

import altair as alt
import pandas as pd

from lineage.report import palette
from lineage.report.figure import Figure, groups_of, hover
from lineage.report.figures.panels import facets
from lineage.report.inputs import Inputs

PAPER = "paper: ResNet18"


def published_figures(inputs: Inputs) -> Iterator[Figure]:
    """The methods that the paper has, its ResNet18 from G1 to G2 beside each of our settings."""
    ours = inputs.accuracy[inputs.accuracy["published"].notna()]
    if ours.empty:
        return
    paper = inputs.published
    paper = paper[(paper["ancestor"] == "G1") & (paper["descendant"] == "G2")]
    paper = paper[paper["method"].isin(ours["method"])]
    rows = pd.concat(
        [
            paper[["method", "mean", "std"]].assign(
                run=PAPER, low=paper["mean"] - paper["std"], high=paper["mean"] + paper["std"]
            ),
            *(
                of_run[["method", "mean", "std", "low", "high", "n"]].assign(
                    run=f"{experiment}, {setting} (n = {of_run['n'].max()})"
                )
                for (experiment, setting), of_run in groups_of(ours, ["experiment", "setting"])
            ),
        ]
    )
    shown = rows[["run", "method", "mean", "std", "low", "high", "n"]].round(4)
    shown = shown.assign(family=shown["method"].map(palette.label_of), high=shown["high"].clip(upper=100))
    methods = list(shown["method"])
    colour = palette.colour(methods, shown=False)
    base = alt.Chart().encode(y=alt.Y("method:N", sort=None, title=None))
    title = "accuracy, %"
    layers = [
        base.mark_rule(opacity=0.6).encode(x=alt.X("low:Q", title=title), x2="high:Q", color=colour),
        base.mark_point(filled=True, size=36, opacity=1).encode(
            x=alt.X(
                "mean:Q", title=title, scale=alt.Scale(domain=[0, 100]), axis=alt.Axis(values=[0, 50, 100])
            ),
            color=colour,
            shape=palette.shape(methods, shown=False),
            tooltip=hover(shown.columns[:-1]),
        ),
    ]
    panel = alt.layer(*layers, data=shown).properties(width=110, height=15 * len(set(methods)))
    yield Figure(
        name="published",
        title="Published accuracy beside ours",
        caption="The paper's numbers are of ResNet18, first to second generation, with their standard deviation; "
        "ours are of other networks and data, with 95 % intervals over roots. So compare the order of the methods, "
        "not the numbers.",
        alt="Accuracy in per cent of the methods that the paper has, as published and in each experiment here",
        chart=facets(panel, "run", shown["run"]),
        data=shown,
        kind="panels",
    )
