"""The experiments in a folder of results, and the tables that each may have."""

from pathlib import Path

from lineage.errors import UserError
from lineage.storage.schemas import (
    BLOCK_SOURCES,
    CALIBRATION,
    CURVES,
    EDGES,
    HISTORY,
    OUTCOMES,
    P_VALUES,
    PAIRS,
    RESULTS,
    RUN,
    STAGES,
)

EVALUATED = {
    "results": RESULTS,
    "outcomes": OUTCOMES,
    "curves": CURVES,
    "edges": EDGES,
    "block_sources": BLOCK_SOURCES,
    "p_values": P_VALUES,
}
"""Tables that evaluations and audits write; `<name>.parquet` in an experiment's folder."""
SUMMARIES = {"pairs": PAIRS, "history": HISTORY, "calibration": CALIBRATION, "stages": STAGES, "run": RUN}
"""Tables that sum up a run's large artifacts, likewise."""


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
