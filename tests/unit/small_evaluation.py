"""Scores of eight children and three candidates at random, and slow direct counts of what is right."""

import math

import numpy as np
import pandas as pd
from hypothesis import strategies as st

from lineage.results.evaluation.named import NAMED

CANDIDATES = ("p0", "p1", "p2")
CHILDREN = [f"c{number}" for number in range(8)]
PARENT_OF = {child: CANDIDATES[number % 3] for number, child in enumerate(CHILDREN)}
HALF_OF = {child: CANDIDATES[number % 2] for number, child in enumerate(CHILDREN)}
PARTS = dict(zip(CHILDREN, ["train", "train", *["validation"] * 3, *["test"] * 3], strict=True))
LAYERS, ALPHAS = ["a", "b"], [0.1, 0.5]
NOBODY = pd.DataFrame(columns=NAMED)
FEW_VALUES = st.integers(0, 3).map(float)
"""Few enough for many ties."""


def table(values: np.ndarray, children: list[str] = CHILDREN) -> pd.DataFrame:
    """Scores [children, candidates] as rows."""
    return pd.DataFrame(
        {"child": child, "candidate": candidate, "score": values[row, column]}
        for row, child in enumerate(children)
        for column, candidate in enumerate(CANDIDATES)
    )


def method_table(values: np.ndarray, **columns) -> pd.DataFrame:
    """Scores [layers, alphas, children, candidates] of one method as rows."""
    frames = [
        table(values[i, j]).assign(layer=layer, alpha=alpha)
        for i, layer in enumerate(LAYERS)
        for j, alpha in enumerate(ALPHAS)
    ]
    return pd.concat(frames, ignore_index=True).assign(**columns)


def scores_of(shape: tuple[int, ...], seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 4, shape).astype(float)


def direct_credit(scores: dict[str, float], parent: str) -> float:
    """What a verdict earns, counted one by one; NaN counts as the worst."""
    scores = {name: -math.inf if math.isnan(score) else score for name, score in scores.items()}
    best = max(scores.values())
    winners = [name for name, score in scores.items() if score == best]
    return 1 / len(winners) if parent in winners else 0.0


def direct_accuracy(frame: pd.DataFrame, parent_of: dict[str, str], children: list[str]) -> float:
    credits = []
    for child in children:
        rows = frame[frame["child"] == child]
        scores = dict(zip(rows["candidate"], rows["score"], strict=True))
        credits.append(direct_credit(scores, parent_of[child]))
    return sum(credits) / len(credits)
