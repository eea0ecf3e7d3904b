"""What the paper claims, against results that were measured: each claim becomes a sentence with numbers."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from lineage.experiment.conditions import ALL_BLOCKS, STANDARD, ancestor_in, gap

DIRECT = ("l1/direct", "l2/direct", "cosine/direct", "cka/direct", "dc/direct")
GENERATIONS, NETWORK = "fc-generations", "fc-network"
ENOUGH = 95
"""Per cent of the children's parents, above which lineage counts as found."""
Measured = tuple[str, str] | None
"""What was measured, and whether it agrees: yes, mostly or no. None where nothing was."""


def means(results: pd.DataFrame, condition: str = STANDARD) -> pd.DataFrame:
    """Accuracy in per cent under a condition: one row an experiment and setting, a column a method.

    Rounded to 9 places, so that equal shares of children are equal whatever seeds they are the mean of.
    """
    rows = results[(results["condition"] == condition) & (results["metric"] == "accuracy")]
    table = rows.pivot_table(index=["experiment", "setting"], columns="method", values="value", sort=False)
    return (table * 100).round(9)


def claims_table(results: pd.DataFrame) -> pd.DataFrame:
    """Each claim of the paper: what we measured, on what, and whether that agrees."""
    rows = []
    for claim, measure in CLAIMS.items():
        found = measure(results)
        measured, seen = ("not measured", "") if found is None else found
        rows.append({"the paper says": claim, "we measured": measured, "seen": seen})
    return pd.DataFrame(rows)


def _approximations(results: pd.DataFrame) -> Measured:
    """Each approximation against direct, in every setting and of every similarity."""
    table = means(results)
    parts, better_on_average = [], True
    for approximation in ("path", "taylor"):
        gains = []
        for direct in DIRECT:
            moved = direct.replace("direct", approximation)
            if {direct, moved} <= set(table):
                gains += (table[moved] - table[direct]).dropna().tolist()
        if not gains:
            return None
        gains = np.array(gains)
        better_on_average &= gains.mean() > 0
        parts.append(
            f"{approximation}: better in {(gains > 0).sum()}, equal in {(gains == 0).sum()}, worse in "
            f"{(gains < 0).sum()} of {len(gains)} (setting, similarity); {gains.mean():+.1f} points on average"
        )
    return "; ".join(parts), "yes" if better_on_average else "no"


def _detector(results: pd.DataFrame) -> Measured:
    """The detector against the paper's two: l1 direct and l1 with the Taylor form."""
    table = means(results)
    if not {"detector", "l1/direct", "l1/taylor"} <= set(table):
        return None
    both = table.dropna(subset=["detector", "l1/direct", "l1/taylor"])
    best = both[["l1/direct", "l1/taylor"]].max(axis=1)
    least = (both["detector"] >= best).sum()
    weights = (both["detector"] >= both["weight_l2"]).sum()
    return (
        f"detector at least as good as l1/direct and l1/taylor in {least} of {len(both)} settings (mean "
        f"{both['detector'].mean():.1f} against {best.mean():.1f} %); as weight_l2 in {weights}",
        _share(least, len(both)),
    )


def _share(right: int, n: int) -> str:
    return "yes" if right == n else "mostly" if right >= n / 2 else "no"


def _falls(results: pd.DataFrame) -> Measured:
    """Direct similarities from the roots, by generation."""
    of_roots = results[results["experiment"] == GENERATIONS]
    values = [means(of_roots[of_roots["setting"] == "g2"])]
    values += [means(of_roots[of_roots["setting"] == name], ancestor_in("roots")) for name in ("g3", "g4")]
    if any(value.empty for value in values):
        return None
    parts, falls = [], []
    for method in ("l1/direct", "cka/direct", "l1/path", "detector"):
        line = [value[method].iloc[0] for value in values]
        parts.append(f"{method} {' → '.join(f'{value:.1f}' for value in line)}")
        if method.endswith("direct"):
            falls.append(line[0] > line[-1])
    return f"{GENERATIONS}, from G1 to G2 → G3 → G4: {', '.join(parts)}", _share(sum(falls), len(falls))


def _lowest(experiment: str, settings: Sequence[str]) -> Callable[[pd.DataFrame], Measured]:
    """The lowest accuracy of some methods over some settings of an experiment."""

    def measure(results: pd.DataFrame) -> Measured:
        table = means(results[(results["experiment"] == experiment) & results["setting"].isin(settings)])
        if table.empty:
            return None
        lowest = {method: table[method].min() for method in ("l1/path", "weight_l2", "detector")}
        accuracies = ", ".join(f"{method} {value:.1f}" for method, value in lowest.items())
        over = f" (lowest of {', '.join(settings)})" if len(settings) > 1 else ""
        return f"{experiment}: {accuracies} %{over}", "yes" if max(lowest.values()) >= ENOUGH else "no"

    return measure


def _sources(results: pd.DataFrame) -> Measured:
    """The sources of all blocks of hybrids."""
    table = means(results, ALL_BLOCKS)
    if table.empty:
        return None
    parts, best = [], []
    for (experiment, _), row in table.iterrows():
        shown = {name: row[name] for name in ("l1/direct", "l1/path", "weight_l2") if name in row}
        parts.append(f"{experiment}: {', '.join(f'{name} {value:.1f}' for name, value in shown.items())} %")
        best.append(max(shown.values()))
    return "; ".join(parts), "yes" if min(best) == 100 else "mostly" if min(best) >= ENOUGH else "no"


def _edges(results: pd.DataFrame) -> Measured:
    """Recall of parents, grandparents and great-grandparents in the network."""
    rows = results[(results["experiment"] == NETWORK) & (results["metric"] == "recall")]
    if rows.empty:
        return None
    parts, best = [], 0.0
    for method, found in rows.groupby("method"):
        recall = 100 * found.set_index("condition")["value"]
        line = [recall[gap(distance)] for distance in (1, 2, 3)]
        parts.append(f"{method} {' / '.join(f'{value:.1f}' for value in line)}")
        best = max(best, min(line))
    asked = results[(results["experiment"] == NETWORK) & results["condition"].str.startswith(ancestor_in(""))]
    questions = (
        asked[asked["metric"] == "accuracy"].groupby(["method", "setting", "condition"])["value"].mean()
    )
    lowest = 100 * questions.groupby("method").min()
    measured = (
        f"siblings and all earlier models as candidates: recall at gaps 1 / 2 / 3: {', '.join(parts)} %"
    )
    if len(lowest):
        line = ", ".join(f"{method} {value:.1f}" for method, value in lowest.items())
        measured += f"; one generation of candidates at a time, as in the paper, at least: {line} %"
    one_generation = len(lowest) and lowest.max() == 100
    seen = "mostly" if best >= ENOUGH else "one generation at a time" if one_generation else "no"
    return measured, "yes" if best == 100 else seen


CLAIMS: dict[str, Callable[[pd.DataFrame], Measured]] = {
    "approximating the fine-tuning beats direct similarity": _approximations,
    "the lineage detector beats both": _detector,
    "accuracy falls with the generation gap": _falls,
    "few-shot fine-tuning: lineage is found": _lowest("fc-settings", ["five-shot", "ten-shot", "fifty-shot"]),
    "imbalanced fine-tuning: lineage is found": _lowest("fc-settings", ["long-tail", "step"]),
    "segmentation networks: lineage is found": _lowest("lraspp-camvid", ["full"]),
    "detection networks: lineage is found": _lowest("ssdlite-bccd", ["full"]),
    "the source of every layer of a hybrid is found": _sources,
    "among 300 models all parents, grandparents and great-grandparents are found": _edges,
}
