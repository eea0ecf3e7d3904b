"""How often audits see through disguises: tables from Parquet, put into their place on docs/disguises.md."""

import pandas as pd

from lineage.report.verdict_rates import ALL, as_markdown, overall_table, table_by

MEASURES = (
    "family found",
    "closest right or within the bound",
    "wrong parent",
    "parent named",
    "closest right",
    "wrong parent, whatever the bound",
    "closest as without a disguise",
    "family found as the weights are",
)
"""Of the copies of a case, what is wanted first."""


def disguise_rates(bench: pd.DataFrame) -> str:
    """A line a disguise, the same over all disguises by architecture, then every other number, as Markdown."""
    is_overall, of_copies = bench["architecture"] == ALL, bench["metric"].isin(MEASURES)
    by_architecture = bench[~is_overall & bench["wanted"].notna()]
    return "\n".join(
        [
            f"Per cent of n copies:\n\n{as_markdown(table_of_copies(bench[is_overall & of_copies]))}",
            f"By architecture, per cent:\n\n{as_markdown(table_by(by_architecture, 'architecture'))}",
            f"Beside copies:\n\n{as_markdown(overall_table(bench[is_overall & ~of_copies]))}",
        ]
    )


def table_of_copies(rows: pd.DataFrame) -> pd.DataFrame:
    """A line a case, the largest first, a column a measure."""
    table = rows.assign(cell=(100 * rows["value"]).map("{:.1f}".format)).pivot(
        index=["case", "n"], columns="metric", values="cell"
    )
    table = table[list(MEASURES)].fillna("").reset_index()
    return table.sort_values(["n", "case"], ascending=[False, True]).astype({"n": str})
