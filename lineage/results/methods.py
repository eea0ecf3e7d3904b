"""The table of methods: what every method is called, where it stands, how it is drawn and what it can score at most.

A method is a similarity of features with an approximation (`cka/path`), a similarity of weights (`weight_l2`), an
audit (`audit/closest`, `audit/parent`), the family tree (`tree`), what a child answers (`answers/labels`,
`answers/probabilities`) or a lineage detector (`detector`; `detector/weights` and `detector/features` see one of the
two alone; `detector/mixed` is trained on all settings). Nothing outside this file decides a method's
family, order, colour, marker, label or best score.

The rows are families, so that a new similarity needs none: its methods fall into the rows of the approximations. Its
best possible score is 1, as that of every normalised similarity, unless BEST_SCORES says otherwise; a test measures
the score of equal features and names the similarity that needs a line there.

The colours keep 3:1 against a white and against a dark page (WCAG 2.2, 1.4.11) and stay apart under protanopia,
deuteranopia and tritanopia.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from lineage.errors import UserError

AUDIT_CLOSEST, AUDIT_PARENT = "audit/closest", "audit/parent"
"""What an audit of weights names: the closest candidate, and the parent, which it names only where it is sure."""
TREE = "tree"
"""Whom the family tree of all models names as the nearest ancestor among the candidates."""
ANSWERS = "answers"
ANSWERS_GIVEN = {given: f"{ANSWERS}/{given}" for given in ("labels", "probabilities")}
"""What a child answers alone, by what it gives: the name of the method."""
DETECTOR = "detector"
MIXED = f"{DETECTOR}/mixed"
"""The detector that is trained on all settings at once."""
DETECTORS = {"both": DETECTOR, "weights": f"{DETECTOR}/weights", "features": f"{DETECTOR}/features"}
"""The lineage detector's name by its inputs."""
BASELINE = "weight_l2"
"""The method to beat: the distance of weights, which needs no data."""
INK = "currentColor"
"""The colour of the text, whatever the page's scheme; black in files."""


@dataclass(frozen=True, kw_only=True)
class Family:
    """Methods that are drawn alike."""

    pattern: str
    """A regular expression that the whole name of each of its methods matches, and of no other family's."""
    label: str
    """What legends call it."""
    order: int
    """Its place in tables; the detectors share one."""
    colour: str
    marker: str
    """A shape of Vega-Lite."""


FAMILIES = (
    Family(pattern="audit/(closest|parent)", label="audit", order=-1, colour=INK, marker="triangle-down"),
    Family(pattern=TREE, label="tree", order=-1, colour=INK, marker="triangle-left"),
    Family(pattern="detector", label="detector", order=0, colour=INK, marker="circle"),
    Family(pattern="detector/weights", label="detector (weights)", order=0, colour=INK, marker="square"),
    Family(
        pattern="detector/features", label="detector (features)", order=0, colour=INK, marker="triangle-up"
    ),
    Family(pattern=MIXED, label="mixed", order=0, colour=INK, marker="triangle-right"),
    Family(pattern="answers/(labels|probabilities)", label="answers", order=1, colour=INK, marker="diamond"),
    Family(pattern="weight_[a-z0-9_]+", label="weights", order=2, colour="#92929a", marker="cross"),
    Family(pattern="[a-z0-9_]+/direct", label="direct", order=3, colour="#cd8309", marker="circle"),
    Family(pattern="[a-z0-9_]+/path", label="path", order=4, colour="#6290fb", marker="square"),
    Family(pattern="[a-z0-9_]+/linear", label="linear", order=5, colour="#1a734f", marker="triangle-up"),
    Family(pattern="[a-z0-9_]+/taylor", label="taylor", order=6, colour="#82548d", marker="diamond"),
)
"""In the order of legends."""

BEST_SCORES = dict.fromkeys(("l1", "l2", "lp", "linf", "weight_l2"), 0.0) | {"lse": float("inf")}
"""Scores of equal features where these are not 1: distances have 0; that of `lse` depends on the number of features,
so that none counts as too large."""

MOST_SHOWN = 4
"""So many methods are drawn where a figure has a panel or an option for each."""


def family_of(method: str) -> Family:
    """The row of a method.

    Raises:
        UserError: if it has none.
    """
    for family in FAMILIES:
        if re.fullmatch(family.pattern, method):
            return family
    raise UserError(
        f"method {method!r}: expected a similarity with an approximation (cka/path), one of weights (weight_l2) or a "
        "detector; a method of a new family needs a row in lineage/results/methods.py"
    )


def method_of(similarity: str, approximation: str) -> str:
    """The method's name: similarities of weights have no approximation."""
    return similarity if is_of_weights(similarity) else f"{similarity}/{approximation}"


def similarity_of(method: str) -> str:
    """What of a method is compared: the panel in which it is drawn."""
    return method.partition("/")[0]


def is_of_weights(similarity: str) -> bool:
    """Whether a similarity compares weights, not features."""
    return similarity.startswith("weight_")


def best_score(similarity: str) -> float:
    """The score of equal features or weights, which no exact score exceeds; infinite where there is no such bound."""
    return BEST_SCORES.get(similarity, 1.0)


def shown_methods(methods: Iterable[str]) -> list[str]:
    """At most MOST_SHOWN of these, in the tables' order: first one of each place in it, then the others."""
    names = sorted(set(methods), key=lambda name: (family_of(name).order, name))
    first = list({family_of(name).order: name for name in reversed(names)}.values())[::-1]
    return [*first, *(name for name in names if name not in first)][:MOST_SHOWN]
