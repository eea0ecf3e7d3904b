"""Figures of accuracy against alpha and against the layer, over all children: to look at, never to choose by."""

from collections.abc import Iterator

import altair as alt
import pandas as pd

from lineage.report.figure import Figure, groups_of
from lineage.report.figures.panels import panels
from lineage.report.inputs import Inputs
from lineage.results.methods import is_of_weights, method_of
from lineage.results.names import differs_in_probe


def alpha_figures(inputs: Inputs) -> Iterator[Figure]:
    """Accuracy against alpha; every line starts with `direct`, which is every approximation at alpha 0."""
    for (experiment, setting, layer), rows in groups_of(_curves(inputs), ["experiment", "setting", "layer"]):
        direct = rows[rows["approximation"] == "direct"]
        moving = rows[rows["approximation"] != "direct"]
        starts = [direct.assign(approximation=name) for name in moving["approximation"].unique()]
        lines = _named(pd.concat([direct, *starts, moving]))
        yield panels(
            lines,
            alt.X(
                "alpha:Q", title="alpha", scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(values=[0, 0.5, 1])
            ),
            name=f"alpha-{experiment}-{setting}-{layer}",
            title=f"Accuracy against alpha: {experiment}, {setting}, {layer}",
            caption="Over all children, to look at: alpha is chosen on validation children alone. "
            "Alpha 0 is the direct comparison. There are no intervals: nothing is concluded from these points.",
            alt=f"Accuracy in per cent against alpha, one panel a similarity, one line an approximation, at {layer} "
            f"of {experiment}, {setting}",
            experiment=experiment,
        )


def layer_figures(inputs: Inputs) -> Iterator[Figure]:
    """Accuracy against layer, where there are several; of approximations, at their alpha nearest to one half."""
    for (experiment, setting), rows in groups_of(_curves(inputs), ["experiment", "setting"]):
        layers = list(dict.fromkeys(rows["layer"]))
        if len(layers) < 2:
            continue
        distance = (rows["alpha"] - 0.5).abs()
        nearest = distance.groupby([rows["similarity"], rows["approximation"]]).transform("min")
        rows = rows[distance == nearest]
        rows = rows.sort_values("alpha").drop_duplicates(["similarity", "approximation", "layer"])
        rows = _named(rows.sort_values(["similarity", "approximation", "layer"]))
        yield panels(
            rows,
            alt.X("layer:O", title="layer", sort=layers, axis=alt.Axis(labelAngle=0)),
            name=f"layer-{experiment}-{setting}",
            title=f"Accuracy against layer: {experiment}, {setting}",
            caption="Over all children, at the alpha nearest to 0.5: to look at.",
            alt=f"Accuracy in per cent at each layer, one panel a similarity, of {experiment}, {setting}",
            experiment=experiment,
        )


def _named(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows with the name of their method."""
    names = zip(rows["similarity"], rows["approximation"], strict=True)
    return rows.assign(method=[method_of(*pair) for pair in names])


def _curves(inputs: Inputs) -> pd.DataFrame:
    """Curves of features in per cent; without experiments that repeat another's probe."""
    curves = inputs.curves
    curves = curves[~curves["similarity"].map(is_of_weights).astype(bool)]
    curves = curves[~curves["experiment"].map(differs_in_probe).astype(bool)]
    return curves.assign(mean=100 * curves["accuracy"])
