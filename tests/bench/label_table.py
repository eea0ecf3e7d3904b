"""The table of `make bench-labels` from what was measured on each case."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from lineage.asking.verdict import NOMINAL
from lineage.results.intervals import clustered_interval
from lineage.storage.family_schemas import BENCH
from lineage.storage.parquet import write_table

MARGIN = 0.8
"""A level is set so that false families are at most this share of the error."""
OTHERS = "the other architectures"
FIXED = "fc and conv, with an earlier rule"
"""What the levels of `lineage answer` were set on."""
SAME = ("same head", "int8", "pruned", "two generations")
STUDENTS = ("student", "student, of mixes too")
CONDITIONS = (*SAME, *STUDENTS)
NEW = ("new head", "two generations, new head")
UNCHANGED = "root"
MOST, GEOMETRY = 500, 300
LABELS, PROBABILITIES, BASELINE, PLAIN = "labels", "probabilities", "misclassified inputs", "plain agreement"
METHODS = (LABELS, PROBABILITIES, BASELINE, PLAIN)
BASIC = "all"


def table_of(cases: pd.DataFrame, times: list[dict], out: Path) -> pd.DataFrame:
    """Writes the Parquet of the bench and gives it; rates are clustered by root.

    Args:
        cases: ASKED.
    """
    cases = cases.assign(is_new=cases["condition"].isin(NEW))
    cases["cluster"] = cases["world"] + " " + cases["root"]
    found = [*_of_parents(cases), *_of_new_heads(cases), *_of_strangers(cases), *_of_accusers(cases)]
    found += _accuracies(cases)
    found += [
        _row(
            time["what"],
            "seconds of the processor",
            BASIC,
            time["seconds"],
            n=1,
            wanted=f"< {time['most']}",
            met=time["seconds"] < time["most"],
        )
        for time in times
    ]
    table = pd.DataFrame(found, columns=BENCH.names)
    write_table(out, table, BENCH, ["case", "metric", "architecture", "optimiser"])
    return table


def levels_of(cases: pd.DataFrame, alpha: float, method: str, *, is_new: bool = False) -> dict[str, float]:
    """The level for each architecture: the largest that keeps the error of a method on all others."""
    absent = cases[(cases["present"] == False) & (cases["is_new"] == is_new) & (cases["method"] == method)]  # noqa: E712
    absent = absent[absent["budget"] == (GEOMETRY if is_new else MOST)]
    grid = sorted(level for level in cases["level"].dropna().unique() if level < 1)
    found = {}
    for architecture in cases["architecture"].unique():
        others = absent[absent["architecture"] != architecture]
        fitting = [level for level in grid if (others["level"] <= level).mean() <= MARGIN * alpha]
        found[architecture] = max(fitting, default=0.0)
    return found


def _of_parents(cases: pd.DataFrame) -> Iterator[dict]:
    """How often the parent is first of the candidates, and how often it is found, under the same labels."""
    present = cases[(cases["present"] == True) & (cases["budget"] == MOST)]  # noqa: E712
    levels = {method: levels_of(cases, 0.05, method) for method in (LABELS, PROBABILITIES)}
    bounds = {method: _bounds(cases, method) for method in (BASELINE, PLAIN)}
    groups = {**{name: (name,) for name in CONDITIONS}, "same label space": SAME, "students": STUDENTS}
    for case, conditions in groups.items():
        here = present[present["condition"].isin(conditions)]
        shares = {}
        for method in METHODS:
            of_method = here[here["method"] == method]
            is_found = _found(of_method, levels[method]) if method in levels else (
                of_method["first"].astype(bool)
                & (of_method["deviation"] > of_method["architecture"].map(bounds[method]))
            )  # fmt: skip
            lines = {"parent first of 20": of_method["first"], "found at 5 % false positives": is_found}
            for what, hits in lines.items():
                least = _wanted(case, what, method)
                fitted = None if what.startswith("parent") else OTHERS
                yield from _shares(case, f"{what}, {method}", of_method, hits, least=least, fitted=fitted)
                shares[what, method] = hits.astype(bool).mean()
            if method in levels:
                named = of_method["level"] <= NOMINAL[0.01]
                is_right = _found(of_method, NOMINAL[0.01])
                answered = {"in the family": is_right, "a wrong family alone": named & ~is_right}
                for what, hits in answered.items():
                    words = f"{what}, as `lineage answer` says at 1 %, {method}"
                    yield from _shares(case, words, of_method, hits, fitted=FIXED)
        for what in ("parent first of 20", "found at 5 % false positives"):
            gain = float(shares[what, LABELS] - shares[what, BASELINE])
            met = bool(gain > 0 or shares[what, LABELS] == 1)
            n = int((here["method"] == LABELS).sum())
            yield _row(
                case, f"{what}, labels less {BASELINE}", BASIC, gain, n=n, wanted="> 0, or both at 1", met=met
            )


def _of_new_heads(cases: pd.DataFrame) -> Iterator[dict]:
    present = cases[(cases["present"] == True) & cases["is_new"]]  # noqa: E712
    for case in NEW:
        for method in (LABELS, PROBABILITIES):
            here = present[(present["condition"] == case) & (present["method"] == method)]
            least = 0.7 if (case, method) == ("new head", PROBABILITIES) else None
            yield from _shares(case, f"parent first of 20, {method}", here, here["first"], least=least)
            levels = levels_of(cases, 0.05, method, is_new=True)
            what = f"found at 5 % false positives, {method}"
            yield from _shares(case, what, here, _found(here, levels), fitted=OTHERS)


def _of_strangers(cases: pd.DataFrame) -> Iterator[dict]:
    """How often a network of nobody's family gets one, by `lineage answer` and at the other architectures' level."""
    absent = cases[cases["present"] == False]  # noqa: E712
    for is_new, words in ((False, "unrelated"), (True, "unrelated, new head")):
        for method in (LABELS, PROBABILITIES):
            here = absent[(absent["is_new"] == is_new) & (absent["method"] == method)]
            for alpha, level in NOMINAL.items():
                what = f"false family, as `lineage answer` says at {alpha:.0%}"
                for budget in sorted(here["budget"].unique()) if not is_new else []:
                    of_budget = here[here["budget"] == budget]
                    yield from _shares(
                        words, f"{what}, {budget:.0f} queries, {method}", of_budget, of_budget["level"] <= level,
                        fitted=FIXED, by_architecture=False,
                    )  # fmt: skip
                yield from _shares(
                    words, f"{what}, {method}", here, here["level"] <= level, most=alpha, fitted=FIXED
                )
            levels = levels_of(cases, 0.05, method, is_new=is_new)
            hits = here["level"] <= here["architecture"].map(levels)
            yield from _shares(
                words, f"false family at 5 % false positives, {method}", here, hits, most=0.05, fitted=OTHERS
            )


def _accuracies(cases: pd.DataFrame) -> Iterator[dict]:
    """How many images suspects get right: what a change of the weights left of a network."""
    suspects = cases[cases["accuracy"].notna()].drop_duplicates(["world", "suspect"])
    for condition in (UNCHANGED, *CONDITIONS):
        here = suspects[suspects["condition"] == condition]
        for architecture in [BASIC, *sorted(here["architecture"].unique())]:
            of_these = here[here["architecture"] == architecture] if architecture != BASIC else here
            case = "unrelated" if condition == UNCHANGED else condition
            yield _row(case, "accuracy", architecture, of_these["accuracy"].mean(), n=len(of_these))


def _of_accusers(cases: pd.DataFrame) -> Iterator[dict]:
    accused = cases[cases["condition"] == "accused"]
    claims = accused["level"] <= NOMINAL[0.01]
    yield from _shares(
        "a dishonest accuser", "false claim at 1 %, the best of 12 query sets from halves of the data", accused,
        claims, most=0.01, fitted=FIXED,
    )  # fmt: skip
    refused = accused["refused"].astype(bool)
    yield from _shares("a dishonest accuser", "queries picked by hand accepted", accused, ~refused, most=0.01)


def _found(rows: pd.DataFrame, levels: dict[str, float] | float) -> pd.Series:
    """Whether the root is in the family that is named at a level, or at that of the suspect's architecture."""
    is_named = pd.Series(
        [root in named for root, named in zip(rows["root"], rows["named"], strict=True)],
        rows.index,
        dtype=bool,
    )
    return is_named & (
        rows["level"] <= (rows["architecture"].map(levels) if isinstance(levels, dict) else levels)
    )


def _bounds(cases: pd.DataFrame, method: str) -> dict[str, float]:
    """The deviation that a simple rule demands for 5 % false positives on all other architectures."""
    absent = cases[(cases["present"] == False) & (cases["method"] == method) & (cases["budget"] == MOST)]  # noqa: E712
    return {
        architecture: float(absent[absent["architecture"] != architecture]["deviation"].quantile(0.95))
        for architecture in cases["architecture"].unique()
    }


def _wanted(case: str, what: str, method: str) -> float | None:
    if method != LABELS:
        return None
    if case in ("students", *STUDENTS):
        return 0.6 if what.startswith("found") else None
    return (
        0.9
        if case == "same label space" or (case in ("int8", "pruned") and what.startswith("found"))
        else None
    )


def _shares(
    case: str,
    metric: str,
    rows: pd.DataFrame,
    hits: pd.Series,
    *,
    least: float | None = None,
    most: float | None = None,
    fitted: str | None = None,
    by_architecture: bool = True,
) -> Iterator[dict]:
    """A row over all, and one an architecture."""
    wanted = f">= {least:.0%}" if least else f"<= {most:.0%}" if most else None
    for architecture in [BASIC, *(sorted(rows["architecture"].unique()) if by_architecture else [])]:
        chosen = (
            rows["architecture"] == architecture if architecture != BASIC else pd.Series(True, rows.index)
        )
        here = hits[chosen].astype(bool)
        low, high = clustered_interval(list(here), list(rows["cluster"][chosen]))
        value = float(here.mean())
        met = None if wanted is None else bool(value >= least if least else value <= most)
        yield _row(
            case, metric, architecture, value, low, high, n=len(here), wanted=wanted, met=met, fitted=fitted
        )


def _row(
    case: str,
    metric: str,
    architecture: str,
    value: float,
    low: float = np.nan,
    high: float = np.nan,
    *,
    n: int,
    wanted: str | None = None,
    met: bool | None = None,
    fitted: str | None = None,
) -> dict:
    values = (case, metric, architecture, BASIC, float(value), low, high, n, wanted, met, fitted)
    return dict(zip(BENCH.names, values, strict=True))
