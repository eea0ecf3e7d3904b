"""Fits the model of direction on pairs of families whose common ancestors are known.

Every pair is seen both ways round, and both with and without what third relatives say of it. What a score must reach
to be believed is set on architectures that the scores' trees were not fitted on: of no such architecture do more
pairs reach it for which a level does not hold than a share that is stated, of pairs alone and of those beside third
relatives (a split conformal p-value in categories, of which the most demanding counts; Vovk, Gammerman & Shafer 2005,
doi:10.1007/b106715, section 4.5).
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import LeaveOneGroupOut

from lineage.relation.direction.between import Between
from lineage.relation.direction.estimate import LEVELS, share_of
from lineage.relation.direction.model import THIRDS, Cuts, Level, Model, rows_of
from lineage.relation.direction.trees import Trees

TREES = {
    "max_iter": 120,
    "learning_rate": 0.08,
    "max_leaf_nodes": 15,
    "min_samples_leaf": 40,
    "l2_regularization": 1.0,
    "early_stopping": False,
    "random_state": 0,
}
CLEAR = 0.3
"""The trees learn to tell pairs within this share of a level's bound from those beyond the bound; pairs between count
for the level's cuts alone."""
OF_THIRDS = ("third", "far_", "contained_")
"""How the names of features begin that third relatives give a pair."""


def pairs_of(table: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Pairs as `fitted` takes them, and the names of their features, from the table of features.

    Each pair beside third relatives stands there once more, alone. A line of cases that a family has many pairs of
    weighs as the root of their number.
    """
    found = pd.DataFrame([dict(features) for features in table["features"]], index=table.index)
    names = sorted(found)
    pairs = table[["family", "line", "architecture", "within", "child", "candidate"]].join(found)
    alone = pairs[pairs[THIRDS].notna()].drop_duplicates(["child", "candidate"])
    alone = alone.assign(line=alone["line"] + ", alone")
    alone[[name for name in names if name.startswith(OF_THIRDS)]] = np.nan
    pairs = pd.concat([pairs, alone], ignore_index=True)
    pairs["weight"] = 1 / np.sqrt(pairs.groupby(["family", "line"])["within"].transform("size"))
    return pairs, names


def fitted(
    pairs: pd.DataFrame,
    features: Sequence[str],
    passage: Between,
    *,
    error_alone: float,
    error_beside: float,
    fitted_on: str,
) -> Model:
    """The model.

    Args:
        pairs: a row for each pair: its features, `within` (‖a‖ / ‖c‖), `architecture`, and `weight`.
        features: names of the columns that it may look at.
        passage: the model of what lies between two networks.
        error_alone, error_beside: how often a level may be believed wrongly, of a pair alone and beside others.
        fitted_on: what the pairs are, in words.
    """
    rows = rows_of(pairs[list(features)].to_dict("records"), features)
    shares = pairs["within"].map(share_of).to_numpy()
    shares = np.concatenate([shares, 1 - shares])
    weights = np.tile(pairs["weight"].to_numpy(float), 2)
    groups = np.tile(pairs["architecture"].to_numpy(), 2)
    share = HistGradientBoostingRegressor(**TREES).fit(rows, shares - 0.5, weights)
    is_beside = np.tile(pairs[THIRDS].notna().to_numpy(), 2)
    kinds = {"alone": (~is_beside, error_alone), "beside": (is_beside, error_beside)}
    levels = [_level(bound, rows, shares, weights, groups, kinds) for bound in LEVELS]
    return Model(
        features,
        share=exported(share),
        levels=levels,
        passage=passage,
        error_alone=error_alone,
        error_beside=error_beside,
        fitted_on=fitted_on,
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
    clear: np.ndarray | None = None,
) -> np.ndarray:
    """Each row's score by trees that were fitted on clear rows of other groups."""
    scores = np.empty(len(rows))
    for fit, rest in LeaveOneGroupOut().split(rows, groups=groups):
        fit = fit if clear is None else fit[clear[fit]]
        trees = new().fit(rows[fit], holds[fit], None if weights is None else weights[fit])
        scores[rest] = trees.decision_function(rows[rest])
    return scores


def _level(
    bound: float,
    rows: np.ndarray,
    shares: np.ndarray,
    weights: np.ndarray,
    groups: np.ndarray,
    kinds: Mapping[str, tuple[np.ndarray, float]],
) -> Level:
    """One level; kinds: by name, which rows are of a kind, and the error of its cuts."""
    holds = shares <= share_of(bound)
    clear = ~holds | (shares <= share_of(CLEAR * bound))
    new = partial(HistGradientBoostingClassifier, **TREES)
    scores = _unseen_scores(new, rows, holds, groups, weights, clear)
    curve = LogisticRegression(C=1e6).fit(scores[:, None], holds, weights)

    def cuts(of_kind: np.ndarray, error: float) -> Cuts:
        def reached(which: np.ndarray, share: float) -> list[float]:
            rows_of_each = (which & of_kind & (groups == group) for group in np.unique(groups))
            return [_quantile(scores[own], weights[own], share) for own in rows_of_each if own.any()]

        return Cuts(accepted_from=max(reached(~holds, 1 - error)), rejected_to=min(reached(holds, error)))

    return Level(
        bound=bound,
        trees=exported(new().fit(rows[clear], holds[clear], weights[clear])),
        slope=float(curve.coef_[0, 0]),
        intercept=float(curve.intercept_[0]),
        **{name: cuts(*kind) for name, kind in kinds.items()},
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
