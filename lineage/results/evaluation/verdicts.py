"""From scores to verdicts on children, and the layer and alpha that are chosen on validation children.

A tie for the best score is never settled by position: it earns 1/k if the parent is among the k tied. A score that is
NaN is worse than any number.
"""

import numpy as np
import pandas as pd

DIGITS = 12
"""Scores that agree in this many significant digits are tied."""
TOLERANCE = 1e-6
"""A score may exceed the best possible one by this much of rounding before it counts as an overshoot."""
CHOICE = ["layer", "alpha"]


def verdicts(scores: pd.DataFrame, parent_of: dict[str, str], best_possible: float = np.inf) -> pd.DataFrame:
    """One verdict a child: who has the best score, how many tie, what that earns, and by what margin.

    Args:
        scores: columns child, candidate, score; one row a pair.
        parent_of: each child's parent.
        best_possible: what no exact score exceeds.

    Returns:
        Indexed by child: candidates (how many), parent, predicted (the tied joined by `|`), tied, overshoot (how many
        candidates' scores exceed the best possible), credit, margin. The margin is the parent's score less the
        best other, over the standard deviation of the child's scores.
    """
    table = scores.pivot(index="child", columns="candidate", values="score")
    values = table.fillna(-np.inf).to_numpy()
    finite = np.isfinite(values)
    parents = [parent_of[child] for child in table.index]
    truth = table.columns.get_indexer(parents)
    best = values.max(axis=1, keepdims=True)
    is_best = np.isclose(values, best, rtol=10.0**-DIGITS, atol=0) | (values == best)
    rows = np.arange(len(table))
    others = values.copy()
    others[rows, truth] = -np.inf
    spread = np.ma.array(values, mask=~finite).std(axis=1).filled(0)
    with np.errstate(invalid="ignore"):
        gap = values[rows, truth] - others.max(axis=1)
    margin = np.where(np.isfinite(gap), gap, 0) / np.where(spread > 0, spread, 1)
    return pd.DataFrame(
        {
            "candidates": scores.groupby("child").size().loc[table.index],
            "parent": parents,
            "predicted": ["|".join(table.columns[row]) for row in is_best],
            "tied": is_best.sum(axis=1),
            "overshoot": (values > best_possible + TOLERANCE).sum(axis=1),
            "credit": is_best[rows, truth] / is_best.sum(axis=1),
            "margin": margin,
        },
        index=table.index,
    )


def chosen(scores: pd.DataFrame, parent_of: dict[str, str], parts: dict[str, str]) -> tuple[str, float]:
    """The layer and alpha of one method with the best validation accuracy, then the largest mean margin.

    Args:
        scores: of one method: child, candidate, layer, alpha, score.
        parent_of: each child's parent.
        parts: each child's part; only `validation` children are looked at.
    """
    held_out = scores[scores["child"].map(parts) == "validation"]

    def quality(choice: tuple) -> tuple:
        verdict = verdicts(groups[choice], parent_of)
        return verdict["credit"].mean(), verdict["margin"].mean()

    groups = dict(list(held_out.groupby(CHOICE)))
    return max(groups, key=quality)
