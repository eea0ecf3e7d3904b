"""docs/results.md: our measured runs beside the paper's claims, from Parquet alone; no torch is imported."""

import itertools
from pathlib import Path

import numpy as np
import pandas as pd

from lineage.experiment.conditions import ABSENT, ALL_BLOCKS, STANDARD, among, ancestor_in, with_count
from lineage.results.claims import GENERATIONS, NETWORK, claims_table, means
from lineage.results.methods import AUDIT_CLOSEST, BASELINE, DETECTOR, MIXED, TREE
from lineage.results.names import number_in
from lineage.storage.atomic import written_whole
from lineage.storage.folders import experiments_in
from lineage.storage.parquet import read_table
from lineage.storage.schemas import PUBLISHED, RESULTS, RUN

SHOWN = (
    *("l1/direct", "l1/path", "l1/taylor", "cka/direct", "cka/path", "cka/taylor", "weight_l2", "detector"),
    *(MIXED, AUDIT_CLOSEST, TREE),
)
"""The methods of every table: fixed, so that the best is not picked by its test accuracy."""
RIVALS = (BASELINE, "l1/path", AUDIT_CLOSEST)
"""What a lineage detector has to be as good as."""
OTHERS = (among(""), ancestor_in(""))
"""How conditions begin under which other candidates are given than the standard ones."""
HEAD = """# Results

`make tables` makes this page from results/reference/, the committed results of experiments in config/. Two CPU cores
ran them, and a GPU those whose device is cuda. Accuracy is in per cent, the mean over seeds; layer and alpha of every
similarity are chosen on validation children. n counts children. `weight_l2`, the distance of weights, is the baseline
that needs no data. The paper's networks are larger: ResNet18 and others from ImageNet weights at 224 px.
"""


def write_page(folder: str | Path, published: str | Path, path: str | Path) -> None:
    """Writes the page.

    Args:
        folder: of experiments, each with results.parquet and run.parquet.
        published: the file of PUBLISHED.
        path: where to.

    Raises:
        UserError: if there are no results, or a file is foreign.
    """
    places = experiments_in(Path(folder))
    results = pd.concat([read_table(place / "results.parquet", RESULTS) for place in places])
    runs = pd.concat(
        [read_table(place / "run.parquet", RUN) for place in places if (place / "run.parquet").exists()]
    )
    text = page(results, runs, read_table(published, PUBLISHED))
    with written_whole(path) as part:
        part.write_text(text, encoding="utf-8")


def page(results: pd.DataFrame, runs: pd.DataFrame, published: pd.DataFrame) -> str:
    """The page's text, from RESULTS and RUN of any experiments and PUBLISHED."""
    sections = [
        ("What the paper claims, and what we saw", claims_table(results)),
        ("Scale", scale_table(runs)),
        ("Accuracy", _filled(accuracy_table(results))),
        (
            f"Where {', '.join(RIVALS[:-1])} or {RIVALS[-1]} has a higher mean than the detector",
            behind_table(results),
        ),
        ("Across generations", generations_table(results, published)),
        ("Ancestors among siblings and all earlier models", network_table(results)),
        ("The source of every block of hybrid networks", blocks_table(results)),
        ("Probes", probes_table(results)),
        ("Number of candidates", counts_table(results)),
        ("The parent among other candidates", among_table(results)),
    ]
    return HEAD + "".join(
        f"\n## {title}\n\n{table.to_markdown(index=False, disable_numparse=True)}\n"
        for title, table in sections
        if len(table)
    )


def pooled(results: pd.DataFrame, condition: str = STANDARD) -> pd.DataFrame:
    """n and chance in per cent under a condition, by experiment and setting."""
    rows = results[(results["condition"] == condition) & (results["metric"] == "chance")]
    table = rows.groupby(["experiment", "setting"], sort=False).agg(n=("n", "max"), chance=("value", "mean"))
    return table.assign(chance=100 * table["chance"])


def accuracy_table(results: pd.DataFrame, condition: str = STANDARD) -> pd.DataFrame:
    """SHOWN methods by experiment and setting."""
    found = means(results, condition)
    if found.empty:
        return pd.DataFrame()
    return _cells(found.reindex(columns=list(SHOWN)).join(pooled(results, condition))).reset_index()


def _filled(table: pd.DataFrame) -> pd.DataFrame:
    """Without columns that are empty throughout."""
    return table.loc[:, (table != "").any()] if len(table) else table


def _cells(table: pd.DataFrame) -> pd.DataFrame:
    """Numbers as text; a method that was not run is empty."""
    shown = table.map(lambda value: "" if pd.isna(value) else f"{value:.1f}")
    if "n" in table:
        shown["n"] = table["n"].map("{:.0f}".format)
    return shown.rename(columns={"chance": "chance %"})


def behind_table(results: pd.DataFrame) -> pd.DataFrame:
    """The detector wherever one of RIVALS, asked for the same, has a higher mean; not among fewer candidates."""
    asked = [
        name
        for name in results["condition"].unique()
        if name in (STANDARD, ABSENT) or name.startswith(OTHERS)
    ]
    found = [
        means(results, condition).join(pooled(results, condition)).assign(condition=condition)
        for condition in asked
    ]
    table = pd.concat(found).set_index("condition", append=True) if found else pd.DataFrame()
    rivals = [method for method in RIVALS if method in table]
    if DETECTOR not in table or not rivals:
        return pd.DataFrame()
    behind = table[table[DETECTOR] < table[rivals].max(axis=1)]
    shown = [method for method in (DETECTOR, MIXED, *rivals) if method in table]
    return _filled(_cells(behind[[*shown, "n", "chance"]]).reset_index())


def generations_table(results: pd.DataFrame, published: pd.DataFrame) -> pd.DataFrame:
    """Which ancestor of an earlier generation: ours beside the published number of the same method."""
    generation = {"roots": "G1", "g2": "G2", "g3": "G3", "g4": "G4"}
    paper = published.set_index(["ancestor", "descendant", "method"])["mean"]
    names = list(generation)
    pairs = [(earlier, later) for place, later in enumerate(names) for earlier in names[:place]]
    rows = []
    for experiment, (ancestors, setting) in itertools.product((GENERATIONS, NETWORK), pairs):
        of_pair = results[(results["experiment"] == experiment) & (results["setting"] == setting)]
        is_asked = ancestor_in(ancestors) in set(of_pair["condition"])
        found = accuracy_table(of_pair, ancestor_in(ancestors) if is_asked else STANDARD)
        if found.empty or (not is_asked and names.index(setting) - names.index(ancestors) > 1):
            continue
        (row,) = found.to_dict("records")
        for method in SHOWN:
            number = paper.get((generation[ancestors], generation[setting], method))
            row[method] += "" if number is None or not row[method] else f" ({number:.1f})"
        pair = {"experiment": experiment, "from": generation[ancestors], "to": generation[setting]}
        rows.append(pair | {key: row[key] for key in (*SHOWN, "n", "chance %")})
    table = pd.DataFrame(rows).rename(
        columns={method: f"{method} (published)" for method in _published(paper)}
    )
    return _filled(table)


def _published(paper: pd.Series) -> set[str]:
    return set(paper.index.get_level_values("method")) & set(SHOWN)


def network_table(results: pd.DataFrame) -> pd.DataFrame:
    """Precision and recall of ancestors along the predicted edges, by generation gap."""
    rows = []
    of_network = results[results["condition"].map(lambda name: number_in(name, "gap")).notna()]
    for (experiment, condition, method), found in of_network.groupby(["experiment", "condition", "method"]):
        value, n = (found.set_index("metric")[column] for column in ("value", "n"))
        row = {"experiment": experiment, "ancestors": condition, "method": method}
        for metric in ("precision", "recall"):
            low, high = value[f"{metric}_low"], value[f"{metric}_high"]
            row[f"{metric} %"] = f"{100 * value[metric]:.1f} ({100 * low:.1f} … {100 * high:.1f})"
            row[f"n of {metric}"] = str(n[metric])
        rows.append(row)
    return pd.DataFrame(rows)


def blocks_table(results: pd.DataFrame) -> pd.DataFrame:
    """Accuracy of every block's source by position; hybrids start from blocks of several sources."""
    hybrids = results[results["condition"] == ALL_BLOCKS]["experiment"].unique()
    rows = results[results["experiment"].isin(hybrids) & (results["metric"] == "accuracy")]
    if rows.empty:
        return pd.DataFrame()
    table = rows.pivot_table(
        index=["experiment", "condition"], columns="method", values="value", sort=False
    ).mul(100)
    chance = results[results["metric"] == "chance"].groupby(["experiment", "condition"])
    table = table.reindex(columns=[method for method in SHOWN if method in table])
    table = table.join(chance.agg(n=("n", "max"), chance=("value", "mean")))
    table = _cells(table.assign(chance=100 * table["chance"])).reset_index()
    place = table["condition"].map(_position)
    return table.iloc[np.lexsort((place, table["experiment"]))].rename(columns={"condition": "block"})


def _position(condition: str) -> tuple:
    """Blocks by the numbers in their names; all of them last."""
    digits = "".join(sign if sign.isdigit() else " " for sign in condition).split()
    return float("inf") if condition == ALL_BLOCKS else float(digits[-1]) if digits else 0.0


def probes_table(results: pd.DataFrame) -> pd.DataFrame:
    """The experiments that differ in their probe alone."""
    table = accuracy_table(results[results["experiment"].str.contains("-probe-", regex=False)])
    if table.empty:
        return table
    order = table["experiment"].map(lambda name: number_in(name, "probe") or np.inf)
    return _filled(table.iloc[order.argsort(kind="stable")])


def counts_table(results: pd.DataFrame) -> pd.DataFrame:
    """Accuracy among k candidates, of every experiment and setting that has such a condition."""
    counts = sorted(
        {number for name in results["condition"].unique() if (number := number_in(name, "candidates"))}
    )
    return _by_candidates({str(count): accuracy_table(results, with_count(count)) for count in counts})


def among_table(results: pd.DataFrame) -> pd.DataFrame:
    """Accuracy among other candidates that the configuration names, such as siblings."""
    names = sorted({name for name in results["condition"].unique() if name.startswith(among(""))})
    return _by_candidates({name.removeprefix(among("")): accuracy_table(results, name) for name in names})


def _by_candidates(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Tables of accuracies under each other, with what their candidates are."""
    if not tables:
        return pd.DataFrame()
    table = pd.concat([found.assign(candidates=name) for name, found in tables.items()])
    table = table.sort_values(["experiment", "setting"], kind="stable")
    first = ["experiment", "setting", "candidates"]
    return _filled(table[[*first, *(name for name in table if name not in first)]])


def scale_table(runs: pd.DataFrame) -> pd.DataFrame:
    """What each experiment is made of. The paper's: ImageNet weights, 224 px, up to 500 children a set."""
    facts = ["network", "roots", "children", "probe", "device", "processor", "date", "torch"]
    if runs.empty:
        return pd.DataFrame()
    table = runs.pivot_table(index="experiment", columns="what", values="value", aggfunc="first")
    return table.reindex(columns=facts).astype(object).fillna("").reset_index()
