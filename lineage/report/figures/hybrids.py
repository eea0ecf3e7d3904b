"""Hybrid networks: where each block was found to come from."""

from collections.abc import Iterator

import altair as alt

from lineage.report import palette
from lineage.report.figure import PANEL, Figure, groups_of, hover
from lineage.report.figures.accuracy import block_figures
from lineage.report.figures.panels import facets
from lineage.report.inputs import Inputs
from lineage.results.methods import shown_methods
from lineage.results.names import in_numbers

MOST_CHILDREN = 20
"""So many are drawn."""
MOST_NAMED = 6
"""With more blocks, names of candidates do not fit into their cells."""
FOUND = alt.Scale(domain=["right", "wrong"], range=[palette.FILL, palette.WRONG])


def hybrid_figures(inputs: Inputs) -> Iterator[Figure]:
    """How often the source of each block is found, and what was found."""
    yield from block_figures(inputs)
    yield from source_figures(inputs)


def source_figures(inputs: Inputs) -> Iterator[Figure]:
    """One panel a method: the predicted source of each block of each test child of the first seed."""
    for (experiment, setting), rows in groups_of(inputs.block_sources, ["experiment", "setting"]):
        rows = rows[rows["seed"] == rows["seed"].min()]
        children = sorted(set(rows["child"]), key=in_numbers)[:MOST_CHILDREN]
        methods = shown_methods(rows["method"])
        rows = rows[rows["child"].isin(children) & rows["method"].isin(methods)]
        rows = rows.sort_values(["child", "layer"], key=lambda names: names.map(in_numbers))
        shown = rows[["method", "child", "layer", "source", "predicted", "probability"]].round(4)
        shown = shown.assign(found=(rows["credit"] == 1).map({True: "right", False: "wrong"}))
        base = alt.Chart().encode(
            x=alt.X("layer:N", sort=None, title="block", axis=alt.Axis(labelAngle=-90, labelLimit=60)),
            y=alt.Y(
                "child:N", sort=None, title=f"hybrid (n = {len(children)})", axis=alt.Axis(labelLimit=58)
            ),
        )
        cells = base.mark_rect(opacity=0.55).encode(
            color=alt.Color("found:N", title=None, scale=FOUND),
            tooltip=hover(["method", "child", "layer", "source", "predicted", "probability"]),
        )
        layers, held = [cells], "the table under it says which candidate"
        if shown["layer"].nunique() <= MOST_NAMED:
            layers.append(base.mark_text(fontSize=12).encode(text="predicted:N"))
            held = "a cell holds the candidate that"
        panel = alt.layer(*layers, data=shown).properties(width=PANEL - 10, height=14 * len(children))
        yield Figure(
            name=f"block-sources-{experiment}-{setting}",
            title=f"Where blocks come from: {experiment}, {setting}",
            caption=f"Test hybrids of the first seed; {held} a block was found to come from, red where that is "
            "wrong.",
            alt=f"Blocks of {len(children)} hybrid networks with the candidate that each was found to come from, "
            f"one panel a method, of {experiment}, {setting}",
            experiment=experiment,
            chart=facets(panel, "method", methods),
            data=shown,
            kind="panels",
        )
