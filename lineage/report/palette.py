"""Colours and shapes as Altair's encodings, and the style that all figures share.

What a method looks like stands in `lineage.results.methods`; the colours here are of what is no method.
"""

from collections.abc import Iterable

import altair as alt

from lineage.results.methods import FAMILIES, INK, Family, family_of

FILL, MUTED, UNDECIDED, WRONG = "#6290fb", "#92929a", "#cd8309", "#e5484d"
"""Of bars and roots, of what matters less, of undecided and of wrong verdicts."""


def label_of(method: str) -> str:
    """The label of a method's family: the column `family` of what figures draw."""
    return family_of(method).label


def families_of(methods: Iterable[str]) -> list[Family]:
    """The families of these methods, in the order of the legend."""
    present = set(map(family_of, methods))
    return [family for family in FAMILIES if family in present]


def colour(methods: Iterable[str], *, shown: bool = True) -> alt.Color:
    """The colour of the column `family`, with a legend if it is to be shown."""
    families = families_of(methods)
    scale = alt.Scale(
        domain=[family.label for family in families], range=[family.colour for family in families]
    )
    return alt.Color("family:N", title=None, scale=scale, legend=alt.Legend() if shown else None)


def shape(methods: Iterable[str], *, shown: bool = True) -> alt.Shape:
    """The shape of the column `family`, with a legend if it is to be shown."""
    families = families_of(methods)
    scale = alt.Scale(
        domain=[family.label for family in families], range=[family.marker for family in families]
    )
    return alt.Shape("family:N", title=None, scale=scale, legend=alt.Legend() if shown else None)


STYLE = {
    "background": "transparent",
    "font": "Liberation Sans, Arial, Helvetica, sans-serif",
    "view": {"stroke": None},
    "axis": {
        "labelColor": INK,
        "titleColor": INK,
        "domainColor": INK,
        "tickColor": INK,
        "gridColor": INK,
        "gridOpacity": 0.12,
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
    },
    "header": {"labelColor": INK, "titleColor": INK, "labelFontSize": 12, "titleFontSize": 12},
    "legend": {
        "orient": "top",
        "labelColor": INK,
        "titleColor": INK,
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "columns": 2,
        "symbolStrokeWidth": 1.5,
        "symbolOpacity": 1,
    },
    "text": {"color": INK},
    "rule": {"color": INK},
}
"""Vega-Lite's `config` of every figure."""
