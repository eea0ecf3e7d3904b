"""The intervals of results anew, from the verdicts that were written beside them."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from lineage.experiment.conditions import ALL_BLOCKS, of_block
from lineage.results.evaluation.accuracy import summarised
from lineage.results.evaluation.edges import precision_and_recall
from lineage.storage.folders import EVALUATED, experiments_in
from lineage.storage.parquet import read_table, write_table
from lineage.storage.schemas import RESULTS

BOUNDS = [f"{metric}_{end}" for metric in ("interval", "precision", "recall") for end in ("low", "high")]
"""The metrics that are ends of intervals."""


def write_intervals(folder: Path) -> list[Path]:
    """Writes the intervals of every experiment's results anew.

    Where verdicts are in no file, on whether the parent is among the candidates, no interval is left.

    Returns:
        The files of results.

    Raises:
        UserError: if there are no results, or a file is foreign.
    """
    written = []
    for place in experiments_in(folder):
        path = place / "results.parquet"
        results = read_table(path, RESULTS)
        bounds = [row for row in _pooled(place) if row["metric"] in BOUNDS]
        numbers = results[~results["metric"].isin(BOUNDS)].to_dict("records")
        rows = [*numbers, *(row | {"experiment": place.name} for row in bounds)]
        write_table(path, rows, RESULTS, ["setting", "method", "condition", "seed", "metric"])
        written.append(path)
    return written


def _pooled(place: Path) -> Iterator[dict]:
    """Rows of results of all verdicts in an experiment's folder, without their experiment."""
    outcomes, edges, blocks = (_table(place, name) for name in ("outcomes", "edges", "block_sources"))
    of_blocks = [
        blocks.assign(condition=blocks["layer"].map(of_block)),
        blocks.assign(condition=ALL_BLOCKS),
    ]
    for verdicts in (outcomes, *of_blocks):
        for setting, of_setting in verdicts.groupby("setting"):
            yield from ({"setting": setting} | row for row in summarised(of_setting))
    if edges["generation"].max() > 2:
        yield from ({"setting": "all"} | row for row in precision_and_recall(edges))


def _table(place: Path, name: str) -> pd.DataFrame:
    """A table of an experiment, without rows if it has none."""
    path, schema = place / f"{name}.parquet", EVALUATED[name]
    return read_table(path, schema) if path.exists() else schema.empty_table().to_pandas()
