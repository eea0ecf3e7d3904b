"""From audits, a tree, and what children answer, to verdicts on test children, as those of every other method."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from lineage.experiment.conditions import ABSENT, STANDARD, ancestors_of, asked_among
from lineage.results.evaluation.accuracy import pooled, rows_of
from lineage.results.methods import ANSWERS_GIVEN, AUDIT_CLOSEST, AUDIT_PARENT, TREE
from lineage.types.evaluation import Evaluated

NAMED = ["setting", "condition", "child", "candidates", "method", "predicted", "named"]
"""One row a verdict of a method: the candidate that it would name, and whom it names, null where it names nobody."""


def of_audits(audits: pd.DataFrame) -> pd.DataFrame:
    """NAMED of AUDITS: the closest candidate, and the parent; a prediction is what an audit names."""
    found = [
        audits.assign(method=method, predicted=audits[column], named=audits[column])
        for method, column in ((AUDIT_CLOSEST, "closest"), (AUDIT_PARENT, "parent"))
    ]
    return pd.concat(found)[NAMED]


def of_answers(answered: pd.DataFrame) -> pd.DataFrame:
    """NAMED of ANSWERED: the candidate that explains answers best is predicted, and named if it stands out."""
    method = answered["given"].map(ANSWERS_GIVEN)
    return answered.assign(method=method, predicted=answered["closest"], named=answered["family"])[NAMED]


def of_tree(tree: pd.DataFrame, settings: dict[str, Evaluated]) -> pd.DataFrame:
    """NAMED of PARENTS: under each condition the first on the line of named parents that is a candidate.

    Without the parent nothing is asked: the tree has seen it.
    """
    parent_of = dict(zip(tree["child"], tree["parent"], strict=True))
    rows = [
        (setting, condition, child, len(asked), TREE, named, named)
        for setting, models in settings.items()
        for condition, ids in asked_among(models).items()
        for child in models.parents
        for asked in [set(ids) - {child}]
        for named in [next((model for model in ancestors_of(child, parent_of) if model in asked), None)]
    ]
    return pd.DataFrame(rows, columns=NAMED)


def all_named(*found: pd.DataFrame) -> pd.DataFrame:
    """NAMED of all, any of which may be empty."""
    found = [frame for frame in found if len(frame)]
    return pd.concat(found) if found else pd.DataFrame(columns=NAMED)


def named_outcomes(named: pd.DataFrame, models: Evaluated) -> Iterator[pd.DataFrame]:
    """Verdicts of each method on each seed's test children, indexed by child; who names nobody earns nothing.

    Args:
        named: NAMED of one setting.
        models: of the setting.
    """
    for condition, of_condition in named[named["condition"] != ABSENT].groupby("condition"):
        asked = models.ancestors.get(condition)
        truth = asked.parents if asked else models.parents
        for seed, parts in enumerate(models.splits):
            for method, of_method in of_condition.groupby("method"):
                tested = of_method[of_method["child"].map(parts) == "test"].set_index("child")
                parents = tested.index.map(truth)
                yield pd.DataFrame(
                    {
                        "candidates": tested["candidates"],
                        "parent": parents,
                        "predicted": tested["predicted"],
                        "tied": tested["predicted"].notna().astype(int),
                        "overshoot": 0,
                        "credit": (tested["predicted"] == parents).astype(float),
                        "margin": np.nan,
                        "method": method,
                        "condition": condition,
                        "seed": seed,
                        "layer": None,
                        "alpha": np.nan,
                    },
                    index=tested.index,
                )


def named_absence(named: pd.DataFrame, models: Evaluated) -> Iterator[dict]:
    """Rows of results: how well methods tell that the parent is not among the candidates, by naming nobody.

    Each test child counts twice: with its parent among the candidates and without.
    """
    asked = named[named["condition"].isin([STANDARD, ABSENT])]
    for method, of_method in asked.groupby("method"):
        if ABSENT not in set(of_method["condition"]):
            continue
        right = of_method[["child"]].assign(
            right=of_method["named"].isna() == (of_method["condition"] == ABSENT)
        )
        frames = [right[right["child"].map(parts) == "test"] for parts in models.splits]
        for seed, tested in enumerate(frames):
            yield from rows_of(method, ABSENT, seed, {"accuracy": tested["right"].mean()}, len(tested))
        yield from pooled(method, ABSENT, pd.concat(frames).groupby("child")["right"].mean(), 0.5)
