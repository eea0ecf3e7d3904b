"""The table of results on a terminal."""

from pathlib import Path

import pandas as pd

from lineage.families.cases.scored import ALL
from lineage.storage.family_schemas import BENCH
from lineage.storage.parquet import read_table


def print_bench(path: Path) -> None:
    """Prints every measure over all cases, and those with a target by architecture and by optimiser."""
    table = read_table(path, BENCH)
    overall = table[(table["architecture"] == ALL) & (table["optimiser"] == ALL)]
    print(_as_text(overall))
    wanted = table[table["wanted"].notna()]
    for part in ("architecture", "optimiser"):
        rows = wanted[wanted[part] != ALL]
        values = rows.pivot_table(index=["case", "metric", "wanted"], columns=part, values="value")
        print(f"\nby {part}, per cent\n{(100 * values).round(1).reset_index().to_markdown(index=False)}")


def _as_text(rows: pd.DataFrame) -> str:
    """Shares in per cent, with their intervals; other numbers as they are."""
    shown = [
        {
            "case": row.case,
            "metric": row.metric,
            "value": f"{row.value:.1%}" if pd.notna(row.low) else f"{row.value:.3g}",
            "95 %": f"{row.low:.1%} to {row.high:.1%}" if pd.notna(row.low) else "",
            "n": row.n,
            "wanted": row.wanted or "",
            "met": {True: "yes", False: "no"}.get(row.met, ""),
        }
        for row in rows.itertuples()
    ]
    return pd.DataFrame(shown).to_markdown(index=False, disable_numparse=True)
