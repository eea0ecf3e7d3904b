"""From scores to verdicts on children, and the layer and alpha that are chosen on validation children.

A tie for the best score is never settled by position: it earns 1/k if the parent is among the k tied. A score that is
NaN is worse than any number.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

DIGITS = 12
"""Scores that agree in this many significant digits are tied."""
TOLERANCE = 1e-6
"""A score may exceed the best possible one by this much of rounding before it counts as an overshoot."""
CHOICE = ["layer", "alpha"]


@dataclass(frozen=True)
class Judged:
    """What the scores of c children and k candidates say; of c children each."""

    children: pd.Index
    candidates: pd.Index
    values: np.ndarray
    """Scores [c, k]; -inf where there is none, or NaN."""
    given: np.ndarray
    """How many candidates."""
    parents: list[str]
    is_best: np.ndarray
    """Who has the best score [c, k]."""
    credit: np.ndarray
    """1 over how many have it, if the parent is among them, else 0."""
    margin: np.ndarray
    """The parent's score less the best other, over the standard deviation of the child's scores."""


def judged(scores: pd.DataFrame, parent_of: dict[str, str]) -> Judged:
    """Compares each child's scores.

    Args:
        scores: columns child, candidate, score; one row a pair.
        parent_of: each child's parent.

    Raises:
        ValueError: if a pair has two rows.
    """
    rows, children = pd.factorize(scores["child"], sort=True)
    columns, candidates = pd.factorize(scores["candidate"], sort=True)
    counts = np.bincount(rows * len(candidates) + columns)
    if len(counts) and counts.max() > 1:
        raise ValueError("expected one row a pair of child and candidate, but a pair has several")
    given = scores["score"].to_numpy()
    values = np.full((len(children), len(candidates)), -np.inf)
    values[rows, columns] = np.where(np.isnan(given), -np.inf, given)
    finite = np.isfinite(values)
    parents = [parent_of[child] for child in children]
    truth = candidates.get_indexer(parents)
    best = values.max(axis=1, keepdims=True)
    is_best = np.isclose(values, best, rtol=10.0**-DIGITS, atol=0) | (values == best)
    each = np.arange(len(children))
    others = values.copy()
    others[each, truth] = -np.inf
    spread = np.ma.array(values, mask=~finite).std(axis=1).filled(0)
    with np.errstate(invalid="ignore"):
        gap = values[each, truth] - others.max(axis=1)
    return Judged(
        children=pd.Index(children, name="child"),
        candidates=candidates,
        values=values,
        given=np.bincount(rows, minlength=len(children)),
        parents=parents,
        is_best=is_best,
        credit=is_best[each, truth] / is_best.sum(axis=1),
        margin=np.where(np.isfinite(gap), gap, 0) / np.where(spread > 0, spread, 1),
    )


def verdicts(scores: pd.DataFrame, parent_of: dict[str, str], best_possible: float = np.inf) -> pd.DataFrame:
    """One verdict a child: who has the best score, how many tie, what that earns, and by what margin.

    Args:
        scores: columns child, candidate, score; one row a pair.
        parent_of: each child's parent.
        best_possible: what no exact score exceeds.

    Returns:
        Indexed by child: candidates (how many), parent, predicted (the tied joined by `|`), tied, overshoot (how many
        candidates' scores exceed the best possible), credit, margin; as in `Judged`.
    """
    found = judged(scores, parent_of)
    return pd.DataFrame(
        {
            "candidates": found.given,
            "parent": found.parents,
            "predicted": ["|".join(found.candidates[row]) for row in found.is_best],
            "tied": found.is_best.sum(axis=1),
            "overshoot": (found.values > best_possible + TOLERANCE).sum(axis=1),
            "credit": found.credit,
            "margin": found.margin,
        },
        index=found.children,
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
        found = judged(groups[choice], parent_of)
        return found.credit.mean(), found.margin.mean()

    groups = dict(list(held_out.groupby(CHOICE)))
    return max(groups, key=quality)
