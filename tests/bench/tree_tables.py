"""The table of the bench of family trees, and what it prints."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from lineage.results.intervals import clustered_interval
from lineage.storage.family_schemas import BENCH
from lineage.storage.parquet import write_table

OURS = "lineage tree"
OUTCOMES = ("directed edge right", "wrong direction", "wrong parent", "undetermined")
FAR = "wrong direction, or a wrong parent that is far"
WANTED = {
    "families": (">= 95%", "<= 1%", "<= 3%"),
    "300 networks": (">= 95%", "<= 1%", "<= 3%"),
    "56 trees": (">= 90%", "<= 2%", "<= 4%"),
}
"""Of each kind of zoo, for the first three outcomes."""


def write(out: Path, edges: list[dict], merges: list[dict], fitted_on: str) -> None:
    """Writes the table and prints it."""
    rows = [*edge_rows(pd.DataFrame(edges)), *merge_rows(pd.DataFrame(merges))]
    table = [row | {"optimiser": row.get("optimiser", "all"), "fitted_on": fitted_on} for row in rows]
    write_table(out, table, BENCH, ["case", "metric", "architecture", "optimiser"])
    shown = pd.DataFrame(table)
    is_all = (shown["architecture"] == "all") & (shown["optimiser"] == "all")
    columns = ["case", "metric", "value", "n", "wanted", "met"]
    print(shown[is_all][columns].round(3).to_markdown(index=False))


def edge_rows(results: pd.DataFrame) -> Iterator[dict]:
    """Every method's outcomes by kind of zoo and case; ours also by architecture and by optimiser, of families."""
    parts = [({"architecture": "all", "optimiser": "all"}, results)]
    own = results[(results["method"] == OURS) & (results["kind"] == "families")]
    for column, rest in (("architecture", "optimiser"), ("optimiser", "architecture")):
        parts += [({column: value, rest: "all"}, part) for value, part in own.groupby(column)]
    for by, part in parts:
        for (kind, case, method), rows in part.groupby(["kind", "case", "method"]):
            for place, name in enumerate(OUTCOMES):
                hits = (rows["outcome"] == name).to_numpy()
                is_target = method == OURS and place < len(WANTED[kind])
                yield (
                    by
                    | {"case": f"{kind}, {case}: {method}", "metric": name, "n": len(rows)}
                    | share_of(hits, list(rows["family"]), WANTED[kind][place] if is_target else None)
                )
            if method == OURS:
                yield (
                    by
                    | {"case": f"{kind}, {case}: {method}", "metric": FAR, "n": len(rows)}
                    | share_of(rows["is_far"].to_numpy(bool), list(rows["family"]), None)
                )


def merge_rows(results: pd.DataFrame) -> Iterator[dict]:
    """How right merges are, by recipe, with and without their base; and how often what is none is called one."""
    none = results[results["recipe"] == "no merge"]
    results = results[results["recipe"] != "no merge"]
    yield from of_merges("merges", results)
    for (with_base, recipe), rows in results.groupby(["with_base", "recipe"]):
        yield from of_merges(f"merges: {recipe}{'' if with_base else ', base not here'}", rows, is_part=True)
    called = [number < row["false"] for _, row in none.iterrows() for number in range(int(row["others"]))]
    families = [row["family"] for _, row in none.iterrows() for _ in range(int(row["others"]))]
    yield {
        "case": "trained models",
        "metric": "called a merge",
        "architecture": "all",
        "n": len(called),
    } | share_of(np.array(called), families, None)


def of_merges(case: str, rows: pd.DataFrame, *, is_part: bool = False) -> Iterator[dict]:
    """The numbers of some merges."""
    same = {"case": case, "architecture": "all", "n": len(rows)}
    hits, missed, false = (rows[name].sum() for name in ("hits", "missed", "false"))
    yield same | number_of("F1 of parents", 2 * hits / max(2 * hits + missed + false, 1), is_part, ">= 0.95")
    errors = [error for found in rows["errors"] for error in found]
    if errors and not is_part:
        yield same | number_of("mean error of weights", float(np.mean(errors)), is_part, "<= 0.03")
    families = list(rows["family"])
    yield (
        same
        | {"metric": "no false parent"}
        | share_of((rows["false"] == 0).to_numpy(), families, None if is_part else ">= 95%")
    )
    yield same | {"metric": "recipe right"} | share_of(rows["is_recipe"].to_numpy(bool), families, None)


def share_of(hits: np.ndarray, families: list[str], wanted: str | None) -> dict:
    """A share with its interval."""
    low, high = clustered_interval(hits, families)
    value = float(hits.mean())
    return {"value": value, "low": low, "high": high, "wanted": wanted, "met": is_met(wanted, value)}


def number_of(metric: str, value: float, is_part: bool, wanted: str) -> dict:
    """A number that is no share of cases; parts have no target of their own."""
    wanted = None if is_part else wanted
    return {"metric": metric, "value": float(value), "low": None, "high": None, "wanted": wanted,
            "met": is_met(wanted, value)}  # fmt: skip


def is_met(wanted: str | None, value: float) -> bool | None:
    """Whether a number is as wanted."""
    if wanted is None:
        return None
    sign, bound = wanted.split()
    limit = float(bound.rstrip("%")) / (100 if bound.endswith("%") else 1)
    return value >= limit if sign == ">=" else value <= limit
