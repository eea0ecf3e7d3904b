"""What the results say, in sentences; every number is one of the tables'."""

from collections.abc import Iterator

import pandas as pd

from lineage.experiment.conditions import ABSENT, UNSEEN
from lineage.report.figure import groups_of
from lineage.report.inputs import Inputs
from lineage.results.methods import BASELINE, DETECTOR
from lineage.results.tables import best_rows

NAMED = 4
"""So many methods are named that share the best accuracy."""


def sentences(inputs: Inputs) -> Iterator[tuple[str, str, list[str]]]:
    """Each experiment and setting with its sentences."""
    best = best_rows(inputs.accuracy)
    for (experiment, setting), rows in groups_of(inputs.accuracy, ["experiment", "setting"]):
        said = [_best(rows[best[rows.index]], len(rows)), *_detector(rows), *_baseline(rows)]
        conditions = inputs.conditions
        mine = conditions[(conditions["experiment"] == experiment) & (conditions["setting"] == setting)]
        said += [*_absence(mine), *_unseen(mine)]
        yield experiment, setting, said


def _best(rows: pd.DataFrame, compared: int) -> str:
    first = rows.iloc[0]
    methods = list(rows["method"])
    unnamed = len(methods) - NAMED
    more = f" and {unnamed} more {'method' if unnamed == 1 else 'methods'}" if unnamed > 0 else ""
    names = ", ".join(methods[:NAMED])
    return (
        f"The best accuracy is {first['mean']:.1f} % (n = {first['n']} test children, chance {first['chance']:.1f} "
        f"%), by {names}{more}; picked by this number among {compared} methods, it has no interval."
    )


def _accuracy(row: pd.Series) -> str:
    interval = f" ({row['low']:.1f} … {row['high']:.1f})" if pd.notna(row["low"]) else ""
    return f"{row['mean']:.1f} %{interval}"


def _detector(rows: pd.DataFrame) -> Iterator[str]:
    for _, row in rows[rows["method"] == DETECTOR].iterrows():
        yield f"The lineage detector is right on {_accuracy(row)}."


def _baseline(rows: pd.DataFrame) -> Iterator[str]:
    for _, row in rows[rows["method"] == BASELINE].iterrows():
        yield f"Weight distance ({BASELINE}), the baseline that needs no data, is right on {_accuracy(row)}."


def _absence(rows: pd.DataFrame) -> Iterator[str]:
    for _, row in rows[(rows["condition"] == ABSENT) & (rows["method"] == DETECTOR)].iterrows():
        yield (
            "Whether the parent is among the candidates at all, the detector tells with an area under the ROC curve "
            f"of {row['auroc']:.3f} and is right on {_accuracy(row)}, chance {row['chance']:.1f} %."
        )


def _unseen(rows: pd.DataFrame) -> Iterator[str]:
    for _, row in rows[(rows["condition"] == UNSEEN) & (rows["method"] == DETECTOR)].iterrows():
        yield f"Of parents that it never saw in training, it finds {_accuracy(row)}, chance {row['chance']:.1f} %."
