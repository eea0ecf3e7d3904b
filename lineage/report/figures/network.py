"""The lineage network: who was found to be whose parent, as a chord figure and as a tree."""

from collections.abc import Iterator

import altair as alt
import networkx as nx
import numpy as np
import pandas as pd

from lineage.report import palette
from lineage.report.figure import Figure, groups_of, hover
from lineage.report.figures.layout import ancestry, circle, family_tree, in_family_order, tree
from lineage.report.inputs import Inputs
from lineage.results.methods import shown_methods
from lineage.results.names import differs_in_probe

SEVERAL = 3
FOUND = alt.Scale(domain=["right", "wrong"], range=[palette.INK, palette.WRONG])
DASHES = alt.Scale(domain=["right", "wrong"], range=[[1, 0], [4, 2]])
ROOT, RIGHT, WRONG, UNDECIDED, UNASKED = "root", "right", "wrong", "undecided", "not asked"
LOOKS = {
    ROOT: (palette.FILL, "square"),
    RIGHT: (palette.INK, "circle"),
    WRONG: (palette.WRONG, "cross"),
    UNDECIDED: (palette.UNDECIDED, "diamond"),
    UNASKED: (palette.MUTED, "triangle-up"),
}
"""Colour and shape of a model: undecided if several candidates tie, not asked if it is in no test set."""
BEND = 0.75
"""How far towards the centre chords bend, those between neighbours less."""


def network_figures(inputs: Inputs) -> Iterator[Figure]:
    """Chord figure and tree of every experiment of several generations."""
    for (experiment,), edges in groups_of(inputs.edges, ["experiment"]):
        if edges["generation"].max() < SEVERAL or differs_in_probe(experiment):
            continue
        methods = shown_methods(edges["method"])
        edges = edges[edges["method"].isin(methods)]
        graph = family_tree(edges)
        models = details(edges, graph, methods)
        yield chord(experiment, edges, graph, models, methods)
        yield family(experiment, edges, graph, models, methods)


def details(edges: pd.DataFrame, graph: nx.DiGraph, methods: list[str]) -> pd.DataFrame:
    """One row a method and model: what a reader learns of it.

    Returns:
        method, model, generation, lineage, predicted, verdict (a key of LOOKS), margin.
    """
    lineage = ancestry(graph)
    by_child = {(row.method, row.child): row for row in edges.itertuples()}
    rows = []
    for method in methods:
        for model in in_family_order(graph):
            found = by_child.get((method, model))
            is_decided = found and isinstance(found.predicted, str)
            rows.append(
                {
                    "method": method,
                    "model": model,
                    "generation": len(lineage[model]),
                    "lineage": " → ".join(lineage[model]),
                    "predicted": found.predicted if is_decided else None,
                    "verdict": _verdict(found, is_root=not graph.in_degree(model)),
                    "margin": round(found.margin, 3) if found and pd.notna(found.margin) else None,
                }
            )
    return pd.DataFrame(rows)


def _verdict(found: tuple | None, *, is_root: bool) -> str:
    if is_root:
        return ROOT
    if not found:
        return UNASKED
    if not isinstance(found.predicted, str):
        return UNDECIDED
    return RIGHT if found.predicted == found.parent else WRONG


def chord(
    experiment: str, edges: pd.DataFrame, graph: nx.DiGraph, models: pd.DataFrame, methods: list[str]
) -> Figure:
    """All models around a circle, families side by side, and a chord from each child to the parent found."""
    children = edges["child"].nunique()
    places = circle(in_family_order(graph)).round(4)
    at = places.set_index("model")
    chords = []
    for row in edges.itertuples():
        if row.predicted not in at.index:
            continue
        ends = [at.loc[row.child], at.loc[row.predicted]]
        apart = np.hypot(*(ends[0] - ends[1])) / 2
        middle = (ends[0] + ends[1]) / 2 * (1 - BEND * np.sqrt(apart))
        verdict = "right" if row.predicted == row.parent else "wrong"
        for place, point in enumerate((ends[0], middle, ends[1])):
            chords.append((row.method, row.child, place, round(point.x, 3), round(point.y, 3), verdict))
    lines = pd.DataFrame(chords, columns=["method", "child", "place", "x", "y", "found"])
    shown = models.merge(places)
    ends = alt.Scale(domain=[-1.12, 1.12])
    x, y = alt.X("x:Q", axis=None, scale=ends), alt.Y("y:Q", axis=None, scale=ends)
    chosen, is_chosen = _choice(methods)
    of_root = shown[shown["verdict"] == "root"].drop_duplicates("model")[["model", "x", "y"]]
    of_root = of_root.assign(x=of_root["x"] * 1.08, y=of_root["y"] * 1.08).rename(columns={"model": "root"})
    chart = (
        alt.layer(
            alt.Chart(lines)
            .mark_line(interpolate="basis", strokeWidth=1.1, aria=False)
            .encode(
                x=x,
                y=y,
                detail="child:N",
                order="place:Q",
                color=alt.Color("found:N", title=f"parent found (n = {children} children)", scale=FOUND),
                strokeDash=alt.StrokeDash("found:N", legend=None, scale=DASHES),
                opacity=alt.condition(alt.datum.found == "wrong", alt.value(0.95), alt.value(0.3)),
            )
            .transform_filter(is_chosen),
            _marks(shown, x, y, 22).transform_filter(is_chosen),
            alt.Chart(of_root).mark_text(fontSize=12, fontWeight="bold").encode(x=x, y=y, text="root:N"),
        )
        .add_params(chosen)
        .resolve_scale(color="independent", shape="independent")
    )
    return Figure(
        name=f"network-{experiment}",
        title=f"Lineage network: {experiment}",
        caption=f"All {graph.number_of_nodes()} models around a circle, each followed by its descendants; a chord "
        "goes from a child to the parent that was found. Wrong ones are red and dashed. Point at a model to read "
        "its lineage.",
        alt=f"Chord figure of {graph.number_of_nodes()} models around a circle with a chord from each child to its "
        f"predicted parent, of {experiment}; the table under it tells the same",
        experiment=experiment,
        chart=chart,
        data=shown,
        kind="square",
    )


def family(
    experiment: str, edges: pd.DataFrame, graph: nx.DiGraph, models: pd.DataFrame, methods: list[str]
) -> Figure:
    """The true lineage as a tree, and a dashed line from each wrong parent to its child."""
    places = tree(graph)
    at = places.set_index("model")
    shown = models.merge(places.drop(columns="generation"))
    shown = shown.assign(
        label=[".".join(model.split(".")[-2:]) for model in shown["model"]],
        leaf=[graph.out_degree(model) == 0 for model in shown["model"]],
    )
    true = pd.DataFrame(
        [
            {"x": at.loc[parent, "generation"], "row": at.loc[parent, "row"], "x2": at.loc[child, "generation"],
             "row2": at.loc[child, "row"]}
            for parent, child in graph.edges
        ]
    )  # fmt: skip
    wrong = pd.DataFrame(
        [
            {"method": edge.method, "child": edge.child, "from_x": at.loc[edge.predicted, "generation"],
             "from_row": at.loc[edge.predicted, "row"], "to_x": at.loc[edge.child, "generation"],
             "to_row": at.loc[edge.child, "row"]}
            for edge in edges.itertuples()
            if edge.predicted != edge.parent and edge.predicted in at.index
        ],
        columns=["method", "child", "from_x", "from_row", "to_x", "to_row"],
    )  # fmt: skip
    title = f"generation (n = {graph.number_of_nodes()} models)"
    last = int(places["generation"].max())
    x = alt.X(
        "generation:Q",
        title=title,
        scale=alt.Scale(domain=[0.9, last + 0.5], zero=False),
        axis=alt.Axis(values=list(range(1, last + 1)), format="d", grid=False, orient="top"),
    )
    y = alt.Y("row:Q", axis=None, scale=alt.Scale(reverse=True, domain=[-1, places["row"].max() + 1]))
    chosen, is_chosen = _choice(methods)
    layers = [
        alt.Chart(true)
        .mark_rule(opacity=0.35, aria=False)
        .encode(x=_along(x, "x"), x2="x2:Q", y=y, y2="row2:Q"),
        _marks(shown, x, y, 26).transform_filter(is_chosen),
        _labels(shown, dx=6).encode(x=x, y=y).transform_filter(is_chosen & alt.datum.leaf),
        _labels(shown, dx=4, dy=-6).encode(x=x, y=y).transform_filter(is_chosen & ~alt.datum.leaf),
    ]
    if len(wrong):
        layers.insert(
            1,
            alt.Chart(wrong)
            .mark_rule(color=palette.WRONG, strokeDash=[4, 2], aria=False)
            .encode(x=_along(x, "from_x"), x2="to_x:Q", y=_along(y, "from_row"), y2="to_row:Q")
            .transform_filter(is_chosen),
        )
    return Figure(
        name=f"tree-{experiment}",
        title=f"Family tree: {experiment}",
        caption="Lines are the true lineage. A circle is a child whose parent was found; a cross is one whose parent "
        "was not, with a dashed red line from the model that was taken for it.",
        alt=f"Tree of {graph.number_of_nodes()} models by generation, with wrong verdicts marked by crosses and "
        f"dashed lines, of {experiment}; the table under it tells the same",
        experiment=experiment,
        chart=alt.layer(*layers)
        .add_params(chosen)
        .properties(height=max(120, 14 * int(places["row"].max() + 2))),
        data=shown,
    )


def _marks(shown: pd.DataFrame, x: alt.X, y: alt.Y, size: int) -> alt.Chart:
    """The models."""
    present = [verdict for verdict in LOOKS if verdict in set(shown["verdict"])]
    colours, shapes = zip(*(LOOKS[verdict] for verdict in present), strict=True)
    return (
        alt.Chart(shown)
        .mark_point(filled=True, opacity=1, size=size)
        .encode(
            x=x,
            y=y,
            color=alt.Color("verdict:N", title=None, scale=alt.Scale(domain=present, range=list(colours))),
            shape=alt.Shape("verdict:N", title=None, scale=alt.Scale(domain=present, range=list(shapes))),
            tooltip=hover(["model", "lineage", "generation", "predicted", "verdict", "margin"]),
        )
    )


def _choice(methods: list[str]) -> tuple[alt.Parameter, object]:
    """A choice of the method, and the filter that it makes."""
    chosen = alt.param(
        name="shown_method", value=methods[0], bind=alt.binding_select(options=methods, name="method ")
    )
    return chosen, alt.datum.method == chosen


def _labels(shown: pd.DataFrame, **place: float) -> alt.Chart:
    return alt.Chart(shown).mark_text(align="left", fontSize=12, aria=False, **place).encode(text="label:N")


def _along(channel: alt.X | alt.Y, column: str) -> alt.X | alt.Y:
    """The same axis and scale for another column."""
    copy = channel.copy()
    copy.shorthand = f"{column}:Q"
    return copy
