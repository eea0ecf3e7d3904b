"""From audits to verdicts on test children, as those of every other method."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from lineage.experiment.conditions import ABSENT, STANDARD
from lineage.results.evaluation.accuracy import pooled, rows_of
from lineage.results.methods import AUDIT_CLOSEST, AUDIT_PARENT
from lineage.types.evaluation import Evaluated

NAMES = {AUDIT_CLOSEST: "closest", AUDIT_PARENT: "parent"}
"""The column of AUDITS that holds each method's answer."""


def audit_outcomes(audits: pd.DataFrame, models: Evaluated) -> Iterator[pd.DataFrame]:
    """Verdicts of both methods on each seed's test children, indexed by child; who names nobody earns nothing.

    Args:
        audits: AUDITS of one setting.
        models: of the setting.
    """
    for condition, of_condition in audits[audits["condition"] != ABSENT].groupby("condition"):
        asked = models.ancestors.get(condition)
        truth = asked.parents if asked else models.parents
        for seed, parts in enumerate(models.splits):
            tested = of_condition[of_condition["child"].map(parts) == "test"].set_index("child")
            parents = tested.index.map(truth)
            for method, column in NAMES.items():
                yield pd.DataFrame(
                    {
                        "candidates": tested["candidates"],
                        "parent": parents,
                        "predicted": tested[column],
                        "tied": tested[column].notna().astype(int),
                        "overshoot": 0,
                        "credit": (tested[column] == parents).astype(float),
                        "margin": np.nan,
                        "method": method,
                        "condition": condition,
                        "seed": seed,
                        "layer": None,
                        "alpha": np.nan,
                    },
                    index=tested.index,
                )


def audit_absence(audits: pd.DataFrame, models: Evaluated) -> Iterator[dict]:
    """Rows of results: how well audits tell that the parent is not among the candidates, by naming nobody.

    Each test child counts twice: with its parent among the candidates and without.
    """
    asked = audits[audits["condition"].isin([STANDARD, ABSENT])]
    for method, column in NAMES.items() if len(asked) else ():
        right = asked[["child"]].assign(right=asked[column].isna() == (asked["condition"] == ABSENT))
        frames = [right[right["child"].map(parts) == "test"] for parts in models.splits]
        for seed, tested in enumerate(frames):
            yield from rows_of(method, ABSENT, seed, {"accuracy": tested["right"].mean()}, len(tested))
        yield from pooled(method, ABSENT, pd.concat(frames).groupby("child")["right"].mean(), 0.5)
