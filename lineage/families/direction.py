"""Fits the model of direction on pairs of families whose common ancestors are known.

Every pair is seen both ways round. What a score must reach to be believed is set on architectures that the scores'
trees were not fitted on: of the pairs for which a level does not hold, at most a share `error` reaches it, of those
with norms and of those without (a conformal p-value by category; Vovk, Gammerman & Shafer 2005,
doi:10.1007/b106715).
"""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold

from lineage.errors import UserError
from lineage.relation.direction.between import Between
from lineage.relation.direction.estimate import LEVELS, Calibration, Level, Model, rows_of, share_of
from lineage.relation.direction.trees import Trees

TREES = {
    "max_iter": 300,
    "learning_rate": 0.08,
    "max_leaf_nodes": 15,
    "min_samples_leaf": 40,
    "l2_regularization": 1.0,
    "early_stopping": False,
    "random_state": 0,
}
FOLDS = 4
"""Of architectures, for scores that the trees were not fitted on."""


def pairs_of(table: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Pairs as `fitted` takes them, and the names of their features, from the table of features.

    A line of cases that a family has many pairs of weighs as the root of their number.
    """
    found = pd.DataFrame([dict(features) for features in table["features"]], index=table.index)
    names = sorted(found)
    pairs = table[["family", "line", "architecture", "within"]].join(found)
    pairs["weight"] = 1 / np.sqrt(pairs.groupby(["family", "line"])["within"].transform("size"))
    return pairs, names


def fitted(
    pairs: pd.DataFrame, features: Sequence[str], passage: Between, *, error: float, fitted_on: str
) -> Model:
    """The model.

    Args:
        pairs: a row for each pair: its features, `within` (‖a‖ / ‖c‖), `architecture`, and `weight`.
        features: names of the columns that it may look at.
        passage: the model of what lies between two networks.
        error: how often a level may be believed wrongly, of pairs with norms and of those without.
        fitted_on: what the pairs are, in words.

    Raises:
        UserError: if no pair has norms, or all have.
    """
    if len(set(pairs["norms"])) < 2:
        raise UserError(
            f"{fitted_on}: expected networks with norms and others without; add architectures to families or trees"
        )
    rows = rows_of(pairs[list(features)].to_dict("records"), features)
    shares = pairs["within"].map(share_of).to_numpy()
    shares = np.concatenate([shares, 1 - shares])
    weights = np.tile(pairs["weight"].to_numpy(float), 2)
    groups = np.tile(pairs["architecture"].to_numpy(), 2)
    share = HistGradientBoostingRegressor(**TREES).fit(rows, shares - 0.5, weights)
    normed = np.tile(pairs["norms"].to_numpy() == 1, 2)
    levels = [_level(bound, rows, shares, weights, groups, normed, error) for bound in LEVELS]
    return Model(
        features, share=exported(share), levels=levels, passage=passage, error=error, fitted_on=fitted_on
    )


def fitted_passage(table: pd.DataFrame, *, error: float) -> Between:
    """The model of what lies on the way from a network to a child, from the table of passages.

    Args:
        error: how often it may be sure wrongly; yes and no weigh alike in its probabilities.
    """
    found = pd.DataFrame([dict(features) for features in table["features"]])
    names, holds = sorted(found), table["is_between"].to_numpy()
    rows = found[names].to_numpy(float)
    new = partial(HistGradientBoostingClassifier, **TREES, class_weight="balanced")
    scores = _unseen_scores(new, rows, holds, table["architecture"].to_numpy())
    accepted_from = _quantile(scores[~holds], np.ones((~holds).sum()), 1 - error)
    return Between(names, exported(new().fit(rows, holds)), accepted_from)


def _unseen_scores(
    new: Callable[[], HistGradientBoostingClassifier],
    rows: np.ndarray,
    holds: np.ndarray,
    groups: np.ndarray,
    weights: np.ndarray | None = None,
) -> np.ndarray:
    """Each row's score by trees that were fitted on other groups."""
    scores = np.empty(len(rows))
    for fit, rest in GroupKFold(FOLDS).split(rows, groups=groups):
        trees = new().fit(rows[fit], holds[fit], None if weights is None else weights[fit])
        scores[rest] = trees.decision_function(rows[rest])
    return scores


def _level(
    bound: float,
    rows: np.ndarray,
    shares: np.ndarray,
    weights: np.ndarray,
    groups: np.ndarray,
    normed: np.ndarray,
    error: float,
) -> Level:
    holds = shares <= share_of(bound)
    new = partial(HistGradientBoostingClassifier, **TREES)
    scores = _unseen_scores(new, rows, holds, groups, weights)
    without, with_norms = (
        _calibration(scores[kind], holds[kind], weights[kind], error) for kind in (~normed, normed)
    )
    trees = exported(new().fit(rows, holds, weights))
    return Level(bound, trees, without_norms=without, with_norms=with_norms)


def _calibration(scores: np.ndarray, holds: np.ndarray, weights: np.ndarray, error: float) -> Calibration:
    """Of pairs of one kind, by scores of trees that were fitted on other architectures."""
    curve = LogisticRegression(C=1e6).fit(scores[:, None], holds, weights)
    return Calibration(
        accepted_from=_quantile(scores[~holds], weights[~holds], 1 - error),
        rejected_to=_quantile(scores[holds], weights[holds], error),
        slope=float(curve.coef_[0, 0]),
        intercept=float(curve.intercept_[0]),
    )


def _quantile(values: np.ndarray, weights: np.ndarray, share: float) -> float:
    """The value up to which this share of the weight lies."""
    order = np.argsort(values)
    reached = np.cumsum(weights[order]) / weights.sum()
    return float(values[order][min(np.searchsorted(reached, share), len(values) - 1)])


def exported(fit: HistGradientBoostingClassifier | HistGradientBoostingRegressor) -> Trees:
    """The trees of scikit-learn's gradient boosting as plain arrays."""
    parts, roots, start = [], [], 0
    for (predictor,) in fit._predictors:
        nodes = predictor.nodes
        leaf = nodes["is_leaf"].astype(bool)
        parts.append(
            {
                "feature": np.where(leaf, -1, nodes["feature_idx"]).astype(np.int16),
                "threshold": nodes["num_threshold"],
                "missing_left": nodes["missing_go_to_left"].astype(bool),
                "left": (start + nodes["left"]).astype(np.int32),
                "right": (start + nodes["right"]).astype(np.int32),
                "value": nodes["value"].astype(np.float64),
            }
        )
        roots.append(start)
        start += len(nodes)
    arrays = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return Trees(
        **arrays, roots=np.array(roots, np.int32), baseline=np.asarray(float(fit._baseline_prediction.item()))
    )
