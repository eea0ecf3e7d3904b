"""How often verdicts are right, by relation: tables from Parquet, put into their place on docs/audit.md."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from lineage.errors import UserError
from lineage.storage.atomic import written_whole
from lineage.storage.family_schemas import BENCH
from lineage.storage.parquet import read_table

BEGIN, END = "<!-- rates: begin -->", "<!-- rates: end -->"
"""Where the tables stand on the page."""
ALL = "all"
"""The architecture, or the optimiser, of a row over all of them."""


def write_rates(bench: str | Path, path: str | Path, tables: Callable[[pd.DataFrame], str]) -> None:
    """Puts the measured rates into their place on a page.

    Args:
        bench: the Parquet of BENCH; path: the page; tables: gives the rates as Markdown.

    Raises:
        UserError: if there is no such Parquet, or the page has no place for the tables.
    """
    found = tables(read_table(bench, BENCH))
    text = filled(Path(path).read_text(encoding="utf-8"), found, path)
    with written_whole(path) as part:
        part.write_text(text, encoding="utf-8")


def filled(page: str, tables: str, path: str | Path) -> str:
    """A page with the tables between its marks.

    Raises:
        UserError: if a mark is missing.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise UserError(f"{path}: expected the lines {BEGIN} and {END}, between which the rates stand")
    return f"{before}{begin}\n\n{tables}\n{end}{after}"


def rates(bench: pd.DataFrame) -> str:
    """Every number over all cases, then those with a target by architecture and by optimiser, as Markdown."""
    overall = bench[(bench["architecture"] == ALL) & (bench["optimiser"] == ALL)]
    tables = [as_markdown(overall_table(overall))]
    wanted = bench[bench["wanted"].notna()]
    for part in ("architecture", "optimiser"):
        rows = wanted[wanted[part] != ALL]
        if len(rows):
            tables.append(f"The same by {part}, per cent:\n\n{as_markdown(table_by(rows, part))}")
    return "\n".join(tables)


def overall_table(rows: pd.DataFrame) -> pd.DataFrame:
    """A line a number; first the shares, which have an interval, in per cent."""
    rows = rows.sort_values("low", key=pd.isna, kind="stable")
    is_share = rows["low"].notna()
    shares = (100 * rows["value"]).map("{:.1f} %".format)
    return pd.DataFrame(
        {
            "case": rows["case"],
            "what": rows["metric"],
            "measured": shares.where(is_share, rows["value"].map("{:.3g}".format)),
            "95 % interval": [
                f"{100 * row.low:.1f} … {100 * row.high:.1f}" if pd.notna(row.low) else ""
                for row in rows.itertuples()
            ],
            "n": rows["n"].astype(str),
            "wanted": rows["wanted"].fillna(""),
            "met": rows["met"].map({True: "yes", False: "no"}).fillna(""),
            "the rule was set on": rows["fitted_on"].replace("nan", "").fillna(""),
        }
    )


def table_by(rows: pd.DataFrame, part: str) -> pd.DataFrame:
    """A line a measure, a column an architecture or an optimiser; n in parentheses."""
    cells = rows.assign(
        cell=[f"{100 * row.value:.1f} ({row.n})" for row in rows.itertuples()],
        what=rows["case"] + ": " + rows["metric"],
    )
    table = cells.pivot(index=["what", "wanted"], columns=part, values="cell").fillna("")
    return table.reset_index().rename_axis(None, axis=1)


def as_markdown(table: pd.DataFrame) -> str:
    """A table of texts."""
    return f"{table.to_markdown(index=False, disable_numparse=True)}\n"
