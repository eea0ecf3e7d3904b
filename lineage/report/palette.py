"""One colour, shape and dash for a method, everywhere; and the style that all figures share.

The colours keep 3:1 against a white and against a dark page (WCAG 2.2, 1.4.11) and stay apart under
protanopia, deuteranopia and tritanopia; `currentColor` is the text's colour, black in files.
"""

import altair as alt

INK = "currentColor"
FAMILIES = {
    "detector": (INK, "circle"),
    "detector/weights": (INK, "square"),
    "detector/features": (INK, "triangle-up"),
    "weights": ("#92929a", "cross"),
    "direct": ("#cd8309", "circle"),
    "path": ("#6290fb", "square"),
    "linear": ("#1a734f", "triangle-up"),
    "taylor": ("#82548d", "diamond"),
}
"""Colour and shape of each family of methods."""
OTHER = ("#b0413e", "triangle-down")
"""Of a method that is in no family."""
FILL, MUTED, WRONG = "#6290fb", "#92929a", "#e5484d"
"""Of bars and roots, of what matters less, and of wrong verdicts."""


def family_of(method: str) -> str:
    """What of a method decides its colour: its approximation, or that it looks at weights, or is a detector."""
    if method.startswith("detector"):
        return method
    if method.startswith("weight_"):
        return "weights"
    return method.partition("/")[2] or method


def similarity_of(method: str) -> str:
    """What of a method is compared: the panel in which it is drawn."""
    return method.partition("/")[0]


def styles(methods: list[str]) -> dict[str, tuple[str, str]]:
    """Colour and shape of the families of these methods, in the order of the legend."""
    present = dict.fromkeys(map(family_of, methods))
    known = {family: look for family, look in FAMILIES.items() if family in present}
    return known | dict.fromkeys((family for family in present if family not in known), OTHER)


def colour(methods: list[str], *, shown: bool = True) -> alt.Color:
    """The colour of the column `family`."""
    looks = styles(methods)
    scale = alt.Scale(domain=list(looks), range=[look[0] for look in looks.values()])
    return alt.Color("family:N", title=None, scale=scale, legend=alt.Legend() if shown else None)


def shape(methods: list[str], *, shown: bool = True) -> alt.Shape:
    """The shape of the column `family`."""
    looks = styles(methods)
    scale = alt.Scale(domain=list(looks), range=[look[1] for look in looks.values()])
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
        "labelFontSize": 10,
        "titleFontSize": 10,
        "titleFontWeight": "normal",
    },
    "header": {"labelColor": INK, "titleColor": INK, "labelFontSize": 10, "titleFontSize": 10},
    "legend": {
        "orient": "top",
        "labelColor": INK,
        "titleColor": INK,
        "labelFontSize": 10,
        "titleFontSize": 10,
        "titleFontWeight": "normal",
        "columns": 2,
        "symbolStrokeWidth": 1.5,
        "symbolOpacity": 1,
    },
    "text": {"color": INK},
    "rule": {"color": INK},
}
"""Vega-Lite's `config` of every figure."""
