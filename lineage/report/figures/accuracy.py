"""Figures of accuracy: of every method, and against probe, number of candidates, generation gap and block."""

from collections.abc import Iterator

import altair as alt
import pandas as pd

from lineage.report import palette
from lineage.report.figure import Figure, groups_of, hover
from lineage.report.figures.panels import panels
from lineage.report.inputs import Inputs
from lineage.results.names import in_numbers, number_in, without_probe

INTERVAL = "Bars are 95 % intervals over roots, of each method alone; the dotted line is chance."


def methods_figures(inputs: Inputs) -> Iterator[Figure]:
    """Accuracy of all methods, one figure an experiment and setting."""
    for (experiment, setting), rows in groups_of(inputs.accuracy, ["experiment", "setting"]):
        n = rows["n"].iloc[0]
        shown = rows[["method", "mean", "low", "high", "n", "seeds", "chance"]].round(4)
        shown = shown.assign(family=shown["method"].map(palette.label_of))
        methods = list(shown["method"])
        colour = palette.colour(methods)
        base = alt.Chart(shown).encode(
            y=alt.Y("method:N", sort=None, title=None, axis=alt.Axis(labelLimit=130))
        )
        title = f"accuracy, % (n = {n} test children)"
        x = alt.X("mean:Q", title=title, scale=alt.Scale(domain=[0, 100]))
        chart = alt.layer(
            base.mark_rule(strokeDash=[2, 2], opacity=0.6).encode(
                x=alt.X("chance:Q", title=title), y=alt.value(0), y2=alt.value("height")
            ),
            base.mark_rule(opacity=0.6).encode(x=alt.X("low:Q", title=title), x2="high:Q", color=colour),
            base.mark_point(filled=True, size=36, opacity=1).encode(
                x=x, color=colour, shape=palette.shape(methods), tooltip=hover(shown.columns[:-1])
            ),
        ).properties(height=15 * len(methods))
        yield Figure(
            name=f"accuracy-{experiment}-{setting}",
            title=f"Accuracy of every method: {experiment}, {setting}",
            caption=f"Mean over the seeds. {INTERVAL}",
            alt=f"Accuracy in per cent of {len(methods)} methods with intervals and chance: {experiment}, {setting}",
            experiment=experiment,
            chart=chart,
            data=shown,
        )


def probe_figures(inputs: Inputs) -> Iterator[Figure]:
    """Accuracy against the number of images of the probe, from experiments named `...-probe-<number>`."""
    table = inputs.accuracy
    table = table.assign(probe=[number_in(name, "probe") for name in table["experiment"]])
    table = table[table["probe"].notna()].sort_values("probe", kind="stable")
    table = table.assign(base=table["experiment"].map(without_probe), probe=table["probe"].astype(int))
    for (base, setting), rows in groups_of(table, ["base", "setting"]):
        if rows["probe"].nunique() < 2:
            continue
        x = _log("probe", "images of the probe", rows)
        yield _against("probe", "number of probe images", base, setting, rows, x)


def candidates_figures(inputs: Inputs) -> Iterator[Figure]:
    """Accuracy against the number of candidates."""
    table = inputs.conditions
    table = table.assign(count=[number_in(name, "candidates") for name in table["condition"]])
    table = table[table["count"].notna()]
    all_of_them = _all_candidates(inputs)
    for (experiment, setting), rows in groups_of(table, ["experiment", "setting"]):
        whole = inputs.accuracy[
            (inputs.accuracy["experiment"] == experiment)
            & (inputs.accuracy["setting"] == setting)
            & inputs.accuracy["method"].isin(rows["method"])
        ]
        if (experiment, setting) in all_of_them.index:
            rows = pd.concat([rows, whole.assign(count=all_of_them[experiment, setting])])
        rows = rows.assign(candidates=rows["count"].astype(int))
        rows = rows.drop_duplicates(["method", "candidates"], keep="last").sort_values(
            "candidates", kind="stable"
        )
        x = _log("candidates", "candidates", rows)
        yield _against("candidates", "number of candidates", experiment, setting, rows, x)


def _all_candidates(inputs: Inputs) -> pd.Series:
    """How many candidates there are when all are, by experiment and setting."""
    outcomes = inputs.outcomes[inputs.outcomes["condition"] == "all candidates"]
    return outcomes.groupby(["experiment", "setting"])["candidates"].max()


def gap_figures(inputs: Inputs) -> Iterator[Figure]:
    """Accuracy when the ancestor is in an earlier setting; precision and recall by generation gap."""
    table = inputs.conditions
    table = table[table["condition"].str.startswith("ancestor in ")]
    table = table.assign(ancestors=table["condition"].str.removeprefix("ancestor in "))
    for (experiment, setting), rows in groups_of(table, ["experiment", "setting"]):
        x = alt.X("ancestors:O", title="candidates", sort=None, axis=alt.Axis(labelAngle=-30))
        yield _against("ancestors", "generation of the candidates", experiment, setting, rows, x)
    table = _shares_by_gap(inputs.results)
    for (experiment, setting), rows in groups_of(table, ["experiment", "setting"]):
        yield panels(
            rows,
            alt.X("gap:O", title="generations between", axis=alt.Axis(labelAngle=0)),
            value="share",
            dash="metric",
            name=f"gap-{experiment}-{setting}",
            title=f"Precision and recall by generation gap: {experiment}, {setting}",
            caption="A gap of 1 is a parent, of 2 a grandparent. Bars are 95 % intervals over roots.",
            alt=f"Precision and recall in per cent for each generation gap, one panel a similarity, of {experiment}",
            experiment=experiment,
        )


def _shares_by_gap(results: pd.DataFrame) -> pd.DataFrame:
    """Precision and recall in per cent with their intervals, one row a method, gap and metric."""
    rows = results.assign(gap=[number_in(name, "gap") for name in results["condition"]])
    rows = rows[rows["gap"].notna() & rows["value"].notna()]
    keys = ["experiment", "setting", "method", "gap"]
    wide = rows.pivot(index=keys, columns="metric", values=["value", "n"])
    parts = [
        pd.DataFrame(
            {
                "metric": metric,
                "mean": 100 * wide["value"][metric],
                "low": 100 * wide["value"][f"{metric}_low"],
                "high": 100 * wide["value"][f"{metric}_high"],
                "n": wide["n"][metric],
            }
        )
        for metric in ("precision", "recall")
        if len(wide)
    ]
    if not parts:
        return pd.DataFrame()
    shares = pd.concat(parts).dropna().reset_index()
    return shares.astype({"gap": int, "n": int})


def block_figures(inputs: Inputs) -> Iterator[Figure]:
    """Of hybrid networks: how often the source of each block is found."""
    table = inputs.conditions
    table = table[table["condition"].str.startswith("block ")]
    table = table.assign(block=table["condition"].str.removeprefix("block "))
    table = table.sort_values("block", key=lambda blocks: blocks.map(in_numbers), kind="stable")
    for (experiment, setting), rows in groups_of(table, ["experiment", "setting"]):
        x = alt.X("block:O", title="block", sort=None, axis=alt.Axis(labelAngle=-30))
        yield _against("block", "block of a hybrid network", experiment, setting, rows, x)


def _by_method(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows in the tables' order of methods, so that panels come in that order; within one, as they were."""
    order = {
        method: place
        for place, method in enumerate(rows.sort_values(["family", "method"])["method"].unique())
    }
    return rows.sort_values("method", key=lambda methods: methods.map(order), kind="stable")


def _log(column: str, title: str, rows: pd.DataFrame) -> alt.X:
    values = sorted(set(rows[column]))
    scale = alt.Scale(type="log", domain=[values[0], values[-1]], padding=8)
    return alt.X(
        f"{column}:Q", title=title, scale=scale, axis=alt.Axis(values=values, labelOverlap=True, format="d")
    )


def _against(name: str, against: str, experiment: str, setting: str, rows: pd.DataFrame, x: alt.X) -> Figure:
    return panels(
        _by_method(rows),
        x,
        name=f"{name}-{experiment}-{setting}",
        title=f"Accuracy against {against}: {experiment}, {setting}",
        caption=f"On test children, mean over the seeds. {INTERVAL}",
        alt=f"Accuracy in per cent against the {against}, one panel a similarity, one line an approximation, with "
        f"intervals and chance, of {experiment}, {setting}",
        experiment=experiment,
    )
