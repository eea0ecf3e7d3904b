"""Result tables as Markdown, CSV and LaTeX, from Parquet alone; no torch is imported."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from lineage.experiment.conditions import ALL_BLOCKS, STANDARD
from lineage.results.methods import family_of
from lineage.storage.atomic import written_whole
from lineage.storage.packaged import packaged
from lineage.storage.parquet import read_table
from lineage.storage.schemas import PUBLISHED, RESULTS

PUBLISHED_NUMBERS = packaged("results/reference/published.parquet")
PUBLISHED_COLUMN = "published % (ResNet18 G1→G2)"


def accuracy_table(results: pd.DataFrame, published: pd.DataFrame) -> pd.DataFrame:
    """One row a method: accuracy over the seeds (of hybrids: on all their blocks), its interval, how to read it.

    Args:
        results: RESULTS of any experiments.
        published: PUBLISHED; its column holds the paper's ResNet18 from G1 to G2, where it has the method.
            Hybrids have none.

    Returns:
        experiment, setting, method, mean, std, seeds, low, high, n, chance, ties, overshoots,
        published; shares in per cent.
    """
    results = results[results["condition"].isin([STANDARD, ALL_BLOCKS])]
    keys = ["experiment", "setting", "method"]
    table = _accuracies(results, keys)
    for metric in ("ties", "overshoots"):
        table[metric] = results[results["metric"] == metric].groupby(keys)["value"].sum().astype(int)
    paper = published[(published["ancestor"] == "G1") & (published["descendant"] == "G2")].set_index("method")
    of_hybrids = table.index.isin(results[results["condition"] == ALL_BLOCKS].set_index(keys).index)
    table = table.reset_index()
    table["published"] = table["method"].map(paper["mean"]).mask(of_hybrids)
    return _in_order(table, ["experiment", "setting", "family", "method"])


def conditions_table(results: pd.DataFrame) -> pd.DataFrame:
    """One row a method and condition other than that: fewer candidates, unseen parents, no parent, one block.

    Args:
        results: RESULTS of any experiments.

    Returns:
        experiment, setting, condition, method, mean, std, seeds, low, high, n, chance, standard (the accuracy with
        all candidates), auroc (of noticing that the parent is absent); shares in per cent. Where the parent is
        absent, accuracy is that of noticing it.
    """
    keys = ["experiment", "setting", "condition", "method"]
    table = _accuracies(results[~results["condition"].isin([STANDARD, ALL_BLOCKS])], keys)
    standard = results[(results["condition"] == STANDARD) & (results["metric"] == "accuracy")]
    standard = standard.groupby([key for key in keys if key != "condition"])["value"].mean() * 100
    auroc = results[results["metric"] == "auroc"].groupby(keys)["value"].mean()
    table = table.join(standard.rename("standard")).join(auroc.rename("auroc"))
    table.loc[table["auroc"].notna(), "standard"] = np.nan
    return _in_order(table.reset_index(), ["experiment", "setting", "condition", "family", "method"])


def _accuracies(results: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Mean and deviation over the seeds, interval, n and chance, in per cent."""
    by_seed = results[results["metric"] == "accuracy"].groupby(keys)["value"]
    table = pd.DataFrame({"mean": by_seed.mean(), "std": by_seed.std(ddof=1), "seeds": by_seed.count()})
    pooled = results[results["seed"].isna()].pivot(index=keys, columns="metric", values=["value", "n"])
    columns = {"low": "interval_low", "high": "interval_high", "chance": "chance"}
    for column, metric in columns.items():
        table[column] = pooled["value"].get(metric, np.nan) if len(pooled) else np.nan
    table["n"] = pooled["n"]["chance"].dropna().astype(int) if len(pooled) else 0
    table[["mean", "std", *columns]] *= 100
    return table


def _in_order(table: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """Rows sorted by these columns, methods in the order of their families."""
    return table.assign(family=[family_of(method).order for method in table["method"]]).sort_values(columns)


def displayed(table: pd.DataFrame) -> pd.DataFrame:
    """The accuracy table as text cells under readable headings."""
    return pd.DataFrame(
        {
            "experiment": table["experiment"],
            "setting": table["setting"],
            "method": table["method"],
            **_numbers(table),
            "ties": table["ties"].astype(str),
            "overshoots": table["overshoots"].astype(str),
            PUBLISHED_COLUMN: _cells(table["published"], ".2f"),
        }
    ).reset_index(drop=True)


def displayed_conditions(table: pd.DataFrame) -> pd.DataFrame:
    """The table of conditions as text cells under readable headings."""
    return pd.DataFrame(
        {
            "experiment": table["experiment"],
            "setting": table["setting"],
            "condition": table["condition"],
            "method": table["method"],
            **_numbers(table),
            "with all candidates %": _cells(table["standard"], ".1f"),
            "AUROC": _cells(table["auroc"], ".3f"),
        }
    ).reset_index(drop=True)


def _numbers(table: pd.DataFrame) -> dict:
    """The columns that all tables share."""
    return {
        "accuracy %": [
            f"{mean:.1f}" + (f" ± {std:.1f}" if np.isfinite(std) else "")
            for mean, std in zip(table["mean"], table["std"], strict=True)
        ],
        "95 % interval": [
            f"{low:.1f} … {high:.1f}" if np.isfinite(low) else ""
            for low, high in zip(table["low"], table["high"], strict=True)
        ],
        "n": table["n"].astype(str),
        "seeds": table["seeds"].astype(str),
        "chance %": [f"{chance:.1f}" for chance in table["chance"]],
    }


def _cells(values: pd.Series, form: str) -> list[str]:
    return [format(value, form) if np.isfinite(value) else "" for value in values]


def best_rows(table: pd.DataFrame) -> np.ndarray:
    """Which rows have the best accuracy of their experiment and setting, as far as the rounding shows."""
    shown = table["mean"].map("{:.1f}".format).astype(float)
    return (shown == shown.groupby([table["experiment"], table["setting"]]).transform("max")).to_numpy()


def write_tables(results: Iterable[str | Path], published: str | Path, folder: str | Path) -> list[Path]:
    """Writes accuracy.{md,csv,tex}, the best of each setting in bold, and conditions.{md,csv,tex}.

    Args:
        results: files of RESULTS.
        published: the file of PUBLISHED.
        folder: where to.

    Returns:
        The files.

    Raises:
        UserError: if a file is missing or foreign.
    """
    folder = Path(folder)
    frame = pd.concat([read_table(path, RESULTS) for path in sorted(map(str, results))])
    table = accuracy_table(frame, read_table(published, PUBLISHED))
    conditions = conditions_table(frame)
    shown = {
        "accuracy": (table, displayed(table), best_rows(table)),
        "conditions": (conditions, displayed_conditions(conditions), np.zeros(len(conditions), dtype=bool)),
    }
    texts = {}
    for name, (numbers, cells, best) in shown.items():
        texts[f"{name}.md"] = _markdown(cells, best)
        texts[f"{name}.csv"] = numbers.drop(columns="family").round(6).to_csv(index=False)
        texts[f"{name}.tex"] = _latex(cells, best)
    for name, text in texts.items():
        with written_whole(folder / name) as part:
            part.write_text(text, encoding="utf-8")
    return [folder / name for name in texts]


def _markdown(cells: pd.DataFrame, best: np.ndarray) -> str:
    cells = cells.astype(str)
    cells["accuracy %"] = [
        f"**{text}**" if bold else text for text, bold in zip(cells["accuracy %"], best, strict=True)
    ]
    return cells.to_markdown(index=False, disable_numparse=True) + "\n"


def _latex(cells: pd.DataFrame, best: np.ndarray) -> str:
    """A table of booktabs and longtable, which goes on over pages; `make tables` writes it."""
    escaped = cells.astype(str).rename(columns=lambda name: name.replace("%", r"\%").replace("→", r" to "))
    signs = {"_": r"\_", "±": r"$\pm$", "…": "--"}
    for column in escaped:
        for sign, latex in signs.items():
            escaped[column] = escaped[column].str.replace(sign, latex)
    bold = np.zeros(escaped.shape, dtype=bool)
    bold[:, list(cells.columns).index("accuracy %")] = best
    style = escaped.style.hide(axis="index")
    style = style.apply(lambda _: np.where(bold, "textbf:--rwrap", ""), axis=None)
    return "% written by: make tables; packages: booktabs, longtable\n" + style.to_latex(
        environment="longtable", hrules=True, column_format="l" * 3 + "r" * (len(cells.columns) - 3)
    )
