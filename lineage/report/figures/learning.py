"""The lineage detector's training curves."""

from collections.abc import Iterator

import altair as alt

from lineage.report import palette
from lineage.report.figure import PANEL, Figure, groups_of, hover
from lineage.report.figures.panels import facets
from lineage.report.inputs import Inputs

POWERS = [10.0**power for power in range(-8, 5, 2)]
LOSSES = {"loss": "training", "validation_loss": "validation"}


def training_figures(inputs: Inputs) -> Iterator[Figure]:
    """Loss against epoch, of each seed, on training and on validation children."""
    for (experiment, setting), rows in groups_of(inputs.history, ["experiment", "setting"]):
        long = rows.melt(["method", "seed", "epoch"], list(LOSSES), "children", "value")
        shown = long.assign(
            children=long["children"].map(LOSSES),
            loss=[float(f"{loss:.3g}") for loss in long["value"]],
            family=long["method"].map(palette.label_of),
        )
        shown = shown.drop(columns="value")
        seeds = shown["seed"].nunique()
        methods = list(shown["method"])
        panel = (
            alt.Chart(shown)
            .mark_line(strokeWidth=1.1, opacity=0.75)
            .encode(
                x=alt.X("epoch:Q", title="epoch", axis=alt.Axis(tickCount=4)),
                y=alt.Y(
                    "loss:Q",
                    title=f"cross-entropy (n = {seeds} seeds)",
                    scale=alt.Scale(type="log"),
                    axis=alt.Axis(values=POWERS, format="~e", grid=False),
                ),
                color=palette.colour(methods, shown=False),
                strokeDash=alt.StrokeDash("children:N", title=None, sort=list(LOSSES.values())),
                detail="seed:N",
                tooltip=hover(["method", "seed", "epoch", "children", "loss"]),
            )
            .properties(width=PANEL - 10, height=110)
        )
        yield Figure(
            name=f"training-{experiment}-{setting}",
            title=f"Training of the lineage detector: {experiment}, {setting}",
            caption="One line a seed; the state with the best validation loss is the one that is used.",
            alt=f"Loss of the lineage detector against epoch on a logarithmic axis, training and validation, {seeds} "
            f"seeds, of {experiment}, {setting}",
            experiment=experiment,
            chart=facets(panel, "method", methods),
            data=shown,
            kind="panels",
        )
