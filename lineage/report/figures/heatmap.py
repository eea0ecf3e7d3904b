"""Children against candidates: every score, with the true parent marked."""

from collections.abc import Iterator

import altair as alt
import numpy as np

from lineage.report import palette
from lineage.report.figure import PANEL, Figure, groups_of, hover
from lineage.report.figures.panels import facets
from lineage.report.inputs import Inputs
from lineage.results.names import differs_in_probe, in_numbers

CELLS = 300
"""Of a panel: where there are many candidates, fewer children are drawn; at least FEWEST."""
FEWEST = 3


def heatmap_figures(inputs: Inputs) -> Iterator[Figure]:
    """One panel a method; scores are standardised over a child's candidates, for they have different units."""
    for (experiment, setting), rows in groups_of(inputs.pairs, ["experiment", "setting"]):
        if differs_in_probe(experiment):
            continue
        rows = rows.sort_values(["method", "child", "candidate"], key=lambda ids: ids.map(in_numbers))
        number = rows["child"].map({child: place for place, child in enumerate(rows["child"].unique())})
        rows = rows[number < max(FEWEST, CELLS // rows["candidate"].nunique())]
        scores = rows["score"].replace([np.inf, -np.inf], np.nan)
        by_child = scores.groupby([rows["method"], rows["child"]])
        spread = by_child.transform("std", ddof=0)
        standardised = (scores - by_child.transform("mean")) / spread.where(spread > 0, 1)
        shown = rows[["method", "child", "candidate", "parent", "score"]].assign(
            standardised=standardised.round(2),
            score=[float(f"{score:.4g}") for score in rows["score"]],
            best=(scores == by_child.transform("max")).map({True: "best", False: ""}),
            true=(rows["parent"] == rows["candidate"]).map({True: "true parent", False: ""}),
        )
        children, candidates = shown["child"].nunique(), shown["candidate"].nunique()
        x = alt.X(
            "candidate:N", sort=None, title=f"candidate (n = {candidates})", axis=alt.Axis(labelOverlap=True)
        )
        y = alt.Y(
            "child:N",
            sort=None,
            title=f"test child (n = {children})",
            axis=alt.Axis(labels=False, ticks=False),
        )
        base = alt.Chart().encode(x=x, y=y)
        tooltip = ["method", "child", "parent", "candidate", "score"]
        colour = alt.Color(
            "standardised:Q",
            title="standardised score",
            scale=alt.Scale(scheme="viridis"),
            legend=alt.Legend(gradientLength=160, gradientThickness=8),
        )
        cells = base.mark_rect().encode(color=colour, tooltip=hover(tooltip))
        rings = base.mark_point(size=34, stroke="#ffffff", strokeWidth=1.6, filled=False)
        true = rings.encode(tooltip=hover(tooltip)).transform_filter(alt.datum.true == "true parent")
        dots = base.mark_point(size=9, filled=True, color=palette.WRONG, opacity=1)
        best = dots.transform_filter(alt.datum.best == "best")
        panel = alt.layer(cells, true, best, data=shown).properties(
            width=PANEL - 10, height=max(70, 8 * children)
        )
        yield Figure(
            name=f"heatmap-{experiment}-{setting}",
            title=f"Children and candidates: {experiment}, {setting}",
            caption="Test children of the first seed, fewer where candidates are many, at the layer and alpha chosen "
            "on its validation children. Scores are standardised over a child's candidates. A ring marks the true "
            "parent, a red dot the best score: a dot in its ring is right.",
            alt=f"Heatmap of scores of {children} children against {candidates} candidates, one panel a method, the "
            f"true parent marked with a ring, of {experiment}, {setting}",
            experiment=experiment,
            chart=facets(panel, "method", shown["method"]),
            data=shown,
            kind="panels",
        )
