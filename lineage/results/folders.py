"""The experiments in a folder of results."""

from pathlib import Path

from lineage.errors import UserError


def experiments_in(folder: Path) -> list[Path]:
    """The folders of experiments that have results.

    Raises:
        UserError: if there are none.
    """
    found = [path.parent for path in sorted(folder.glob("*/results.parquet"))]
    if not found:
        raise UserError(
            f"{folder}: expected results.parquet files, but there are none; "
            "run `make run`, or name `results/reference` for the committed ones"
        )
    return found
