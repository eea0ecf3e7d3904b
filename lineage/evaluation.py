"""From scores and predictions to results: verdicts on test children, accuracy, intervals.

A method is a similarity with an approximation (`cka/path`), or `detector`. Layer and alpha of each method are
chosen on validation children, anew for each seed's split. A tie for the best score is never settled by
position: it earns 1/k if the parent is among the k tied. A score that is NaN is worse than any number.
"""

from collections.abc import Iterable, Iterator

import numpy as np
import pandas as pd

DETECTOR = "detector"
Z95 = 1.959963984540054
"""Two-sided 95 % quantile of the normal distribution."""
DIGITS = 12
"""Scores that agree in this many significant digits are tied."""
TOLERANCE = 1e-6
"""A score may exceed the best possible one by this much of rounding before it counts as an overshoot."""
BEST_POSSIBLE = dict.fromkeys(("l1", "l2", "lp", "linf"), 0.0) | dict.fromkeys(
    ("cka", "cka_unbiased", "cka_rbf", "dc", "cosine", "procrustes"), 1.0
)
"""The score of equal features, where it does not depend on their size."""
PAIR = ["child", "candidate"]
CHOICE = ["layer", "alpha"]


def verdicts(scores: pd.DataFrame, parent_of: dict[str, str], best_possible: float = np.inf) -> pd.DataFrame:
    """One verdict a child: who has the best score, how many tie, what that earns, and by what margin.

    Args:
        scores: columns child, candidate, score; one row a pair.
        parent_of: each child's parent.
        best_possible: what no exact score exceeds.

    Returns:
        Indexed by child: parent, predicted (the tied joined by `|`), tied, overshoot (how many candidates' scores
        exceed the best possible), credit, margin. The margin is the
        parent's score less the best other, over the standard deviation of the child's scores.
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


def learning_free_outcomes(
    scores: pd.DataFrame, parent_of: dict[str, str], parts: dict[str, str], seed: int
) -> Iterable[pd.DataFrame]:
    """Verdicts of every learning-free method on the test children of one split."""
    for (similarity, approximation), of_method in scores.groupby(["similarity", "approximation"]):
        layer, alpha = chosen(of_method, parent_of, parts)
        picked = of_method[
            (of_method["layer"] == layer)
            & (of_method["alpha"] == alpha)
            & (of_method["child"].map(parts) == "test")
        ]
        method = similarity if similarity.startswith("weight_") else f"{similarity}/{approximation}"
        verdict = verdicts(picked, parent_of, BEST_POSSIBLE.get(similarity, np.inf))
        yield verdict.assign(method=method, seed=seed, layer=layer, alpha=alpha)


def alpha_curves(scores: pd.DataFrame, parent_of: dict[str, str]) -> Iterator[dict]:
    """Rows of CURVES of one setting, without its experiment and setting: what every alpha would have given."""
    keys = ["similarity", "approximation", *CHOICE]
    for key, of_choice in scores.groupby(keys):
        credit = verdicts(of_choice, parent_of)["credit"]
        yield dict(zip(keys, key, strict=True)) | {"accuracy": credit.mean(), "n": len(credit)}


def detector_outcomes(predictions: pd.DataFrame, parent_of: dict[str, str]) -> Iterable[pd.DataFrame]:
    """Verdicts of the lineage detector on each seed's test children."""
    for seed, of_seed in predictions[predictions["part"] == "test"].groupby("seed"):
        scores = of_seed.rename(columns={"logit": "score"})[[*PAIR, "score"]]
        yield verdicts(scores, parent_of).assign(method=DETECTOR, seed=seed, layer=None, alpha=np.nan)


def evaluated(
    scores: pd.DataFrame, predictions: pd.DataFrame, settings: dict[str, dict]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Verdicts and results of all of an experiment's settings.

    Args:
        scores: the learning-free scores.
        predictions: the lineage detectors'.
        settings: for each its `parents` (child to parent), `candidates` and `splits` (of each seed, child to
            part).

    Returns:
        Tables of OUTCOMES and of RESULTS, without their experiment.
    """
    outcomes, results = [], []
    for setting, zoo in settings.items():
        of_setting = scores[scores["setting"] == setting]
        frames = [
            frame
            for seed, parts in enumerate(zoo["splits"])
            for frame in learning_free_outcomes(of_setting, zoo["parents"], parts, seed)
        ]
        frames += detector_outcomes(predictions[predictions["setting"] == setting], zoo["parents"])
        verdict = pd.concat(frames).reset_index().assign(setting=setting)
        outcomes.append(verdict)
        results += [{"setting": setting} | row for row in summarised(verdict, len(zoo["candidates"]))]
    return pd.concat(outcomes), pd.DataFrame(results)


def summarised(outcomes: pd.DataFrame, candidates: int) -> Iterator[dict]:
    """Rows of results of one setting.

    Of each seed: accuracy, and on how many children the best score is tied or any score overshoots. Over all
    seeds: chance, and a 95 % interval of the accuracy, for which a child tested in several seeds counts once.

    Args:
        outcomes: verdicts with method, seed, child.
        candidates: how many each child has.
    """
    for method, of_method in outcomes.groupby("method"):
        for seed, of_seed in of_method.groupby("seed"):
            numbers = {
                "accuracy": of_seed["credit"].mean(),
                "ties": (of_seed["tied"] > 1).sum(),
                "overshoots": (of_seed["overshoot"] > 0).sum(),
            }
            for metric, value in numbers.items():
                yield {"method": method, "seed": seed, "metric": metric, "value": value, "n": len(of_seed)}
        by_child = of_method.groupby("child")["credit"].mean()
        low, high = wilson_interval(by_child.mean(), len(by_child))
        for metric, value in {"chance": 1 / candidates, "interval_low": low, "interval_high": high}.items():
            yield {"method": method, "seed": None, "metric": metric, "value": value, "n": len(by_child)}


def wilson_interval(share: float, n: int) -> tuple[float, float]:
    """The 95 % score interval of a share of n (Wilson 1927, doi:10.1080/01621459.1927.10502953)."""
    centre = (share + Z95**2 / (2 * n)) / (1 + Z95**2 / n)
    half = Z95 / (1 + Z95**2 / n) * np.sqrt(share * (1 - share) / n + Z95**2 / (4 * n**2))
    return float(max(0.0, centre - half)), float(min(1.0, centre + half))
