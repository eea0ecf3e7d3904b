"""How often audits see through disguises, on families of networks that it grows.

    python tests/bench/disguise_rates.py [--out build/disguises] [--decoys] [--minutes 9]

`--decoys` first measures the margins of independent networks on the families of numbers 0 and 1, and stores them
for the package; all else is of families of numbers 5 to 7, which nothing was chosen or fitted on. What was grown and
measured stays in `--out`: a run that was stopped goes on. With `--minutes` the table is of what there is by then, and
its n says of how many.
"""

import argparse
import math
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from disguise_cases import FITTED, ON_TOP, UNSEEN, Measured, OutOfTimeError, independent
from disguise_cost import PAIRS, costs
from disguise_hiding import hiding
from disguise_seeds import large, related, unrelated
from disguise_verdicts import cases, framed
from scipy.stats import kstest

from lineage.auditing.decoys import FILE
from lineage.families.cases.scored import closest_or_within, right, strictly_wrong, wrong
from lineage.families.cases.shown import print_bench
from lineage.results.intervals import clustered_interval
from lineage.storage.family_schemas import BENCH
from lineage.storage.parquet import write_table

TABLE = Path("results/reference/bench/disguises.parquet")
DRAWS_EACH, DECOYS_EACH, CHILDREN_EACH = 200, 350, 10
STATED = (
    "margins: families 0 and 1; direction: the package's model, of families 0 to 4 and random trees 0 to 5"
)
RELATED = ("parent", "same family", "same weights")
BARE = "as it is"


def bench_rows(verdicts: pd.DataFrame, draws: pd.DataFrame, limit: float) -> Iterator[dict]:
    """The table: every case over all architectures, all disguises by architecture, and false families."""
    hidden = verdicts[verdicts["case"] != BARE]
    changed = hidden["case"].str.endswith(ON_TOP)
    parts = [(case, "all", rows) for case, rows in verdicts.groupby("case")]
    parts += [("all disguises", "all", hidden[~changed])]
    parts += [("all disguises, and a change on top", "all", hidden[changed])]
    parts += [("all disguises", name, rows) for name, rows in hidden[~changed].groupby("architecture")]
    for case, architecture, rows in parts:
        for metric, hits, wanted in measures(
            rows, least=0.95 if case.endswith((*ON_TOP, "on top")) else 0.98
        ):
            yield row(case, metric, architecture, hits, rows["family"], wanted)
    for architecture, rows in [("all", draws), *draws.groupby("architecture")]:
        hits = rows["margin"] > limit
        yield row("independent networks", "false family", architecture, hits, rows["family"], ("<=", 0.01))


def beside_bare(verdicts: pd.DataFrame) -> pd.DataFrame:
    """The verdicts with the closest candidate of the same child without a disguise."""
    child = verdicts["key"].str.split().str[1:3].str.join(" ")
    bare = verdicts[verdicts["case"] == BARE].set_axis(child[verdicts["case"] == BARE])["closest"]
    shares = dict.fromkeys(["bound", "closest_within", "named_within"], float)
    return verdicts.assign(closest_bare=child.map(bare)).astype(shares)


def measures(rows: pd.DataFrame, least: float) -> Iterator[tuple[str, pd.Series, tuple[str, float] | None]]:
    """What is counted of verdicts, and what is wanted of it."""
    yield "family found", rows["found"] & (rows["strangers"] == 0), (">=", least)
    yield "family found as the weights are", rows["as_is"].isin(RELATED), None
    yield "closest as without a disguise", rows["closest"] == rows["closest_bare"], None
    yield "closest right", rows["closest_right"], None
    yield "closest right or within the bound", closest_or_within(rows), (">=", 0.95)
    yield "parent named", right(rows), None
    yield "wrong parent", wrong(rows), ("<=", 0.02)
    yield "wrong parent, whatever the bound", strictly_wrong(rows), None


def row(
    case: str,
    metric: str,
    architecture: str,
    hits: pd.Series,
    clusters: pd.Series,
    wanted: tuple[str, float] | None,
) -> dict:
    share = float(hits.mean())
    low, high = clustered_interval(hits.to_numpy(bool), list(clusters))
    is_met = None if wanted is None else share >= wanted[1] if wanted[0] == ">=" else share <= wanted[1]
    return {
        "case": case,
        "metric": metric,
        "architecture": architecture,
        "optimiser": "all",
        "value": share,
        "low": low,
        "high": high,
        "n": len(hits),
        "wanted": None if wanted is None else f"{wanted[0]} {wanted[1]:.0%}",
        "met": is_met,
        "fitted_on": STATED,
    }


def of_pairs(folder: Path, rows: Measured, limit: float) -> Iterator[dict]:
    """p-values of the test against an initialisation."""
    found = pd.DataFrame(unrelated(folder, rows))
    p = float(kstest(found["p"], "uniform").pvalue)
    yield number("unrelated initialisations", "p of uniform p-values", p, len(found), (">=", 0.05))
    own = pd.DataFrame(related(folder, rows))
    for architecture, z in own.groupby("architecture")["z"]:
        yield number(f"own initialisation: {architecture}", "median z", z.median(), len(z), None)


def of_framed(folder: Path, rows: Measured, limit: float) -> Iterator[dict]:
    """Disguised children that hold a little of a sibling."""
    found = pd.DataFrame(framed(folder, rows, CHILDREN_EACH))
    case = "framed by 10 %, permuted and rescaled"
    for metric, wanted in (("decoy named", ("<=", 0.0)), ("parent named", None), ("found", (">=", 0.98))):
        hits = found[metric.replace(" ", "_")].astype(bool)
        yield row(case, "family found" if metric == "found" else metric, "all", hits, found["family"], wanted)


def of_large(folder: Path, rows: Measured, limit: float) -> Iterator[dict]:
    """The same test on networks of usual sizes."""
    sizes = pd.DataFrame(large(rows))
    for name, z in sizes.groupby("name")["z"]:
        yield number(f"own initialisation: {name}", "median z", z.median(), len(z), (">=", 20))
    yield number("999 draws", "most seconds", sizes["seconds"].max(), len(sizes), ("<=", 60))


def of_cost(folder: Path, rows: Measured, limit: float) -> Iterator[dict]:
    """What alignment costs."""
    for cost in costs(rows):
        if "ratio" in cost:
            yield number(
                "a child as it is", "time with alignment over without", cost["ratio"], 1, ("<=", 1.1)
            )
        elif "stranger" in cost:
            yield number(f"giving up a stranger of {cost['name']}", "seconds", cost["stranger"], 1, None)
        else:
            most = PAIRS[cost["name"]][1]
            case, wanted = f"aligning a disguised {cost['name']}", most and ("<=", most)
            yield number(case, "seconds", cost["seconds"], 1, wanted)


def of_hiding(folder: Path, rows: Measured, limit: float) -> Iterator[dict]:
    """What still hides a relation."""
    found = pd.DataFrame(hiding(folder, rows, limit))
    students, trained = (found[found["kind"] == kind] for kind in ("student", "trained on"))
    case, count = "students of a teacher", len(students)
    yield number(case, "least agreement with it", students["agreement"].min(), count, None)
    yield number(case, "largest margin with it", students["margin"].max(), count, None)
    foreign = students["foreign"].explode().astype(float)
    yield number(case, "largest margin with a stranger", foreign.max(), len(foreign), None)
    families = students["key"].loc[foreign.index]
    yield row("students of strangers", "false family", "all", foreign > limit, families, ("<=", 0.01))
    yield number(case, "largest margin of independent networks", limit, 1, None)
    is_lost = trained["is_lost"].astype(bool)
    case = "roots that are trained on"
    yield number(case, "share that is lost", is_lost.mean(), len(trained), None)
    if is_lost.any():
        yield number(case, "least change of those", trained["distance"][is_lost].min(), is_lost.sum(), None)
    if not is_lost.all():
        least = trained["distance"][~is_lost].max()
        yield number(case, "largest change of the others", least, (~is_lost).sum(), None)


PARTS = {"framed": of_framed, "pairs": of_pairs, "large": of_large, "costs": of_cost, "hiding": of_hiding}
"""Measures of things of their own, by the name of their file; a part that had no time left has no rows."""


def numbers_of(folder: Path, out: Path, until: float, limit: float) -> Iterator[dict]:
    """The rows of PARTS."""
    for name, part in PARTS.items():
        try:
            yield from list(part(folder, Measured(out / f"{name}.jsonl", until), limit))
        except OutOfTimeError as error:
            print(error)


def number(case: str, metric: str, value: float, count: int, wanted: tuple[str, float] | None) -> dict:
    """A row whose value is no share."""
    is_met = None if wanted is None else value >= wanted[1] if wanted[0] == ">=" else value <= wanted[1]
    return {
        "case": case,
        "metric": metric,
        "architecture": "all",
        "optimiser": "all",
        "value": float(value),
        "low": math.nan,
        "high": math.nan,
        "n": int(count),
        "wanted": None if wanted is None else f"{wanted[0]} {wanted[1]:g}",
        "met": None if is_met is None else bool(is_met),
        "fitted_on": STATED,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("build/disguises"))
    parser.add_argument("--decoys", action="store_true")
    parser.add_argument(
        "--minutes", type=float, default=math.inf, help="after which to stop; a later run goes on"
    )
    given = parser.parse_args()
    until = time.monotonic() + 60 * given.minutes
    families = given.out / "families"
    if given.decoys:
        decoys = independent(families, FITTED, DECOYS_EACH, Measured(given.out / "decoys.jsonl", until))
        margins = np.sort([found["margin"] for found in decoys]).astype(np.float32)
        of = f"{len(margins)} pairs of small networks that were trained apart"
        np.savez(FILE, margins=margins, of=of)
    verdicts = Measured(given.out / "verdicts.jsonl", until)
    draws = Measured(given.out / "draws.jsonl", until)
    try:
        cases(families, verdicts, CHILDREN_EACH)
        independent(families, UNSEEN, DRAWS_EACH, draws)
    except OutOfTimeError as error:
        print(error)
    if not verdicts.rows or not draws.rows:
        raise SystemExit("no table is written before there are verdicts and pairs of independent networks")
    with np.load(FILE) as arrays:
        limit = float(arrays["margins"].max())
    found, apart = (pd.DataFrame(list(measured.rows.values())) for measured in (verdicts, draws))
    rows = list(bench_rows(beside_bare(found), apart, limit))
    rows += numbers_of(families, given.out, until, limit)
    write_table(TABLE, rows, BENCH, ["architecture", "case", "metric"])
    print_bench(TABLE)


if __name__ == "__main__":
    main()
