"""What was measured on each world of the bench of labels, kept as Parquet beside its table."""

from pathlib import Path

import pandas as pd

from lineage.storage.family_schemas import ASKED
from lineage.storage.parquet import read_table, write_table

ORDER = ["world", "root", "suspect", "condition", "budget", "present", "method"]


def stored(rows: list[dict], path: Path) -> pd.DataFrame:
    """The rows of all worlds: these in place of what is stored of their worlds, and those of the other worlds."""
    new = pd.DataFrame(rows, columns=ASKED.names)
    kept = []
    if path.exists():
        known = read_table(path, ASKED)
        kept = [known[~known["world"].isin(new["world"])]]
    write_table(path, pd.concat([*kept, new], ignore_index=True), ASKED, ORDER)
    return read_table(path, ASKED)
