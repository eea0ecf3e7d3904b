"""The Parquet files of a folder of results, as frames; what isn't there is an empty frame."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa

from lineage.results.tables import PUBLISHED_NUMBERS, accuracy_table, conditions_table
from lineage.storage.folders import EVALUATED, SUMMARIES, experiments_in
from lineage.storage.parquet import read_table
from lineage.storage.schemas import PUBLISHED, RESULTS

OPTIONAL = {name: schema for name, schema in (EVALUATED | SUMMARIES).items() if name != "results"}


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """All that figures and words are made of; accuracies in per cent as the tables have them."""

    accuracy: pd.DataFrame
    """One row a method, with all candidates."""
    conditions: pd.DataFrame
    """One row a method and other condition."""
    results: pd.DataFrame
    published: pd.DataFrame
    outcomes: pd.DataFrame
    curves: pd.DataFrame
    edges: pd.DataFrame
    pairs: pd.DataFrame
    history: pd.DataFrame
    calibration: pd.DataFrame
    p_values: pd.DataFrame
    stages: pd.DataFrame
    run: pd.DataFrame
    block_sources: pd.DataFrame


def read_inputs(folder: str | Path) -> Inputs:
    """Everything in a folder of results.

    Raises:
        UserError: if it has no results, or a file is foreign.
    """
    experiments = experiments_in(Path(folder))
    results = pd.concat(
        [read_table(path / "results.parquet", RESULTS) for path in experiments], ignore_index=True
    )
    published = read_table(PUBLISHED_NUMBERS, PUBLISHED)
    return Inputs(
        accuracy=accuracy_table(results, published).reset_index(drop=True),
        conditions=conditions_table(results).reset_index(drop=True),
        results=results,
        published=published,
        **{name: _all(experiments, name, schema) for name, schema in OPTIONAL.items()},
    )


def _all(experiments: list[Path], name: str, schema: pa.Schema) -> pd.DataFrame:
    files = [path / f"{name}.parquet" for path in experiments]
    frames = [read_table(file, schema) for file in files if file.exists()]
    frames = [frame for frame in frames if len(frame)]
    return pd.concat(frames, ignore_index=True) if frames else schema.empty_table().to_pandas()
