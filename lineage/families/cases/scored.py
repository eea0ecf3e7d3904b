"""From verdicts to the table of how often they are right, line by line, with what is wanted of each."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lineage.families.cases.random_lines import ANOTHER, NEAR, PARENT
from lineage.results.intervals import clustered_interval

RESOLVED = 0.35
"""A named parent that is none is no error, if the bound that is stated is true and at most this."""
ALL = "all"

Hits = Callable[[pd.DataFrame], pd.Series]


def _named(rows: pd.DataFrame) -> pd.Series:
    """A parent is named."""
    return rows["named"].notna()


def _is_true(rows: pd.DataFrame) -> pd.Series:
    """The bound that is stated of the closest holds."""
    return rows["closest_within"] <= rows["bound"]


def strictly_wrong(rows: pd.DataFrame) -> pd.Series:
    """What is named is not the parent."""
    return _named(rows) & (rows["named"] != rows["parent"])


def wrong(rows: pd.DataFrame) -> pd.Series:
    """What is named is not the parent, and no true bound of at most RESOLVED is stated.

    A farther ancestor beside the parent is wrong whatever its bound: nothing parts the child's line from it.
    """
    excused = (rows["named_within"] <= rows["bound"]) & (rows["bound"] <= RESOLVED)
    is_farther = rows["parent"].notna() & (rows["named_within"] == 0)
    return strictly_wrong(rows) & (~excused | is_farther)


def right(rows: pd.DataFrame) -> pd.Series:
    """The parent is named."""
    return _named(rows) & (rows["named"] == rows["parent"])


def _closest(rows: pd.DataFrame) -> pd.Series:
    """The closest is right."""
    return rows["closest_right"].eq(True)


def closest_or_within(rows: pd.DataFrame) -> pd.Series:
    """The closest is right, or a true bound is stated of it."""
    return _closest(rows) | _is_true(rows)


def _never(rows: pd.DataFrame) -> pd.Series:
    """What must not be named is named the parent."""
    forbidden = [named in never for named, never in zip(rows["named"], rows["never"], strict=True)]
    return pd.Series(forbidden, rows.index) & ~rows["is_same"]


def _never_beyond(rows: pd.DataFrame) -> pd.Series:
    """What must not be named is, and no true bound of at most RESOLVED is stated."""
    return _never(rows) & wrong(rows)


def _nearest_or_undetermined(rows: pd.DataFrame) -> pd.Series:
    """The parent is named, or none."""
    return ~_named(rows) | right(rows)


def _contradicted(rows: pd.DataFrame) -> pd.Series:
    """The claim is called contradicted."""
    return rows["is_contradicted"]


def _dependent(rows: pd.DataFrame) -> pd.Series:
    """Some candidate is called a relative."""
    return rows["dependent"] > 0


@dataclass(frozen=True)
class Measure:
    """A share of a line's cases; wanted: the least, or the most that it may be."""

    case: str
    metric: str
    hits: Hits
    least: float | None = None
    most: float | None = None

    @property
    def wanted(self) -> str | None:
        """The target in words."""
        if self.least is not None:
            return f">= {self.least:.0%}"
        return None if self.most is None else f"<= {self.most:.0%}"

    def is_met(self, share: float) -> bool | None:
        """Whether a share is as wanted; None if nothing is."""
        if self.least is not None:
            return share >= self.least
        return None if self.most is None else share <= self.most


FIXED = "independent networks, fixed filters and structured initialisations"
MEASURES = (
    Measure("parent and roots", "closest right", _closest, least=0.99),
    Measure("parent and roots", "parent named", right, least=0.6),
    Measure("parent and roots", "wrong parent", wrong, most=0.01),
    Measure("parent, roots and siblings", "closest right or within the bound", closest_or_within, least=0.95),
    Measure("parent, roots and siblings", "parent named", right, least=0.85),
    Measure("parent, roots and siblings", "wrong parent", wrong, most=0.02),
    Measure("parent, roots and siblings", "wrong parent, whatever the bound", strictly_wrong),
    Measure("siblings only", "wrong parent", wrong, most=0.02),
    Measure("siblings only", "wrong parent, whatever the bound", strictly_wrong),
    Measure("LoRA and L2-SP siblings only", "wrong parent", wrong, most=0.02),
    Measure("LoRA and L2-SP siblings only", "wrong parent, whatever the bound", strictly_wrong),
    Measure("same initialisation only", "wrong parent", strictly_wrong, most=0.01),
    Measure("same initialisation only", "wrong parent, beyond the bound", wrong),
    Measure("grandchild, all present", "parent named", right),
    Measure("grandchild, all present", "wrong parent", wrong, most=0.01),
    Measure("grandchild, parent missing", "wrong parent", wrong, most=0.01),
    Measure("training line", "nearest earlier epoch or undetermined", _nearest_or_undetermined, least=0.9),
    Measure("training line", "nearest earlier epoch named", right),
    Measure("training line", "a later one named", _never, most=0.02),
    Measure(PARENT, "parent named", right),
    Measure(PARENT, "wrong parent", wrong, most=0.01),
    Measure(ANOTHER, "wrong parent", wrong, most=0.02),
    Measure(NEAR, "closest right or within the bound", closest_or_within, least=0.95),
    Measure(NEAR, "parent named", right),
    Measure(NEAR, "wrong parent", wrong, most=0.02),
    Measure("descendants as candidates", "named as parents", _never, most=0.0),
    *(Measure(f"framing by {share} %", "decoy named", _never, most=0.0) for share in (5, 10, 20)),
    *(
        Measure(f"framing by {share} %", "decoy named, beyond the bound", _never_beyond)
        for share in (5, 10, 20)
    ),
    *(Measure(f"framing by {share} %", "parent named", right) for share in (5, 10, 20)),
    Measure("copies of the child", "named its parent", _never, most=0.0),
    Measure("true claims", "contradicted", _contradicted, most=0.0),
    Measure("independent networks", "dependent", _dependent, most=0.01),
    Measure(FIXED, "dependent", _dependent, most=0.01),
)


def bench_rows(verdicts: pd.DataFrame) -> Iterator[dict]:
    """The table of results: every measure over all cases, then by architecture, and by optimiser."""
    for by, part in _parts(verdicts):
        for measure in MEASURES:
            rows = part[part["line"] == measure.case]
            if len(rows):
                yield by | _row(measure, rows)
        bounded = part[part["bound"].notna() & part["closest_within"].notna()]
        if len(bounded):
            yield by | _row(Measure("all with a bound", "bound is true", _is_true, least=0.95), bounded)
        if len(named := bounded[bounded["named"].notna()]):
            for share in (0.5, 0.9):
                bound = named["bound"].quantile(share)
                yield by | _number("a parent named", f"bound, {share:.0%} quantile", bound, named)
        yield by | _number("all", "seconds of CPU an audit, median", part["seconds"].median(), part)


def _parts(verdicts: pd.DataFrame) -> Iterator[tuple[dict, pd.DataFrame]]:
    yield {"architecture": ALL, "optimiser": ALL}, verdicts
    for key, rest in (("architecture", "optimiser"), ("optimiser", "architecture")):
        for value, part in verdicts.groupby(key):
            yield {key: value, rest: ALL}, part


def _row(measure: Measure, rows: pd.DataFrame) -> dict:
    hits = measure.hits(rows).to_numpy(bool)
    low, high = clustered_interval(hits, rows["family"])
    share = float(hits.mean())
    row = _number(measure.case, measure.metric, share, rows)
    return row | {"low": low, "high": high, "wanted": measure.wanted, "met": measure.is_met(share)}


def _number(case: str, metric: str, value: float, rows: pd.DataFrame) -> dict:
    fitted = sorted(rows["fitted_on"].unique())
    return {
        "case": case,
        "metric": metric,
        "value": float(value),
        "low": np.nan,
        "high": np.nan,
        "n": len(rows),
        "wanted": None,
        "met": None,
        "fitted_on": fitted[0] if len(fitted) == 1 else "the other architectures",
    }
