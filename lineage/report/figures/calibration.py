"""Whether the detector's probabilities are frequencies."""

from collections.abc import Iterator

import altair as alt

from lineage.report import palette
from lineage.report.figure import Figure, groups_of, hover
from lineage.report.figures.panels import beside_the_diagonal, range_of
from lineage.report.inputs import Inputs


def calibration_figures(inputs: Inputs) -> Iterator[Figure]:
    """The share of right answers against their mean probability, in bins."""
    for (experiment, setting), rows in groups_of(inputs.calibration, ["experiment", "setting"]):
        shown = rows[["method", "low", "high", "probability", "right", "n"]].round(4)
        shown = shown.rename(columns={"low": "from", "high": "to"}).assign(
            family=shown["method"].map(palette.label_of)
        )
        methods = list(shown["method"])
        colour = palette.colour(methods)
        x = alt.X("probability:Q", title="probability of the answer", scale=alt.Scale(domain=[0, 1]))
        title = f"share right ({range_of(shown.groupby('method')['n'].sum())} answers)"
        y = alt.Y("right:Q", title=title, scale=alt.Scale(domain=[0, 1]))
        base = alt.Chart(shown).encode(x=x)
        chart = beside_the_diagonal(
            x,
            y,
            base.mark_point(filled=True, opacity=1).encode(
                y=y,
                color=colour,
                shape=palette.shape(methods),
                size=alt.Size("n:Q", legend=None, scale=alt.Scale(type="sqrt", range=[15, 150])),
                tooltip=hover(shown.columns[:-1]),
            ),
        )
        yield Figure(
            name=f"calibration-{experiment}-{setting}",
            title=f"Calibration of the lineage detector: {experiment}, {setting}",
            caption="Each test child counts twice, with its parent among the candidates and without; the answer is "
            "the candidate, or “no parent”, of the largest probability. On the diagonal, probabilities are "
            "frequencies; larger marks are of more answers.",
            alt=f"Share of right answers against their probability, with the diagonal, of "
            f"{experiment}, {setting}",
            experiment=experiment,
            chart=chart,
            data=shown,
        )
