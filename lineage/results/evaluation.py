"""From scores and predictions to results: verdicts on test children, accuracy, intervals.

Methods are those of `lineage.results.methods`. Layer and alpha of each similarity are chosen on validation
children, anew for each seed's split. A tie for the best score is never settled by position: it earns 1/k if the
parent is among the k tied. A score that is NaN is worse than any number.
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from lineage.experiment.conditions import ABSENT, NO_PARENT, PRESENT, STANDARD, some_candidates, with_count
from lineage.results.intervals import wilson_interval
from lineage.results.methods import best_score, method_of
from lineage.storage.schemas import OUTCOMES

DIGITS = 12
"""Scores that agree in this many significant digits are tied."""
TOLERANCE = 1e-6
"""A score may exceed the best possible one by this much of rounding before it counts as an overshoot."""
PAIR = ["child", "candidate"]
CHOICE = ["layer", "alpha"]
VERDICT = [*OUTCOMES.names[1:], "margin"]
"""Columns of verdicts."""


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


def learning_free_outcomes(
    scores: pd.DataFrame,
    parent_of: dict[str, str],
    parts: dict[str, str],
    seed: int,
    asked: dict[str, pd.DataFrame],
) -> Iterator[pd.DataFrame]:
    """Verdicts of every learning-free method on the test children of one split.

    Args:
        scores: child, candidate, layer, similarity, approximation, alpha, score.
        parent_of: each child's parent.
        parts: each child's part.
        seed: of the split.
        asked: for each other condition than the standard one, the pairs: child, candidate.
    """
    for (similarity, approximation), of_method in scores.groupby(["similarity", "approximation"]):
        layer, alpha = chosen(of_method, parent_of, parts)
        picked = of_method[
            (of_method["layer"] == layer)
            & (of_method["alpha"] == alpha)
            & (of_method["child"].map(parts) == "test")
        ]
        method = method_of(similarity, approximation)
        conditions = {STANDARD: picked} | {
            condition: picked.merge(pairs) for condition, pairs in asked.items()
        }
        for condition, of_condition in conditions.items():
            verdict = verdicts(of_condition, parent_of, best_score(similarity))
            yield verdict.assign(method=method, condition=condition, seed=seed, layer=layer, alpha=alpha)


def alpha_curves(scores: pd.DataFrame, parent_of: dict[str, str]) -> Iterator[dict]:
    """Rows of CURVES of one setting, without its experiment and setting: what every alpha would have given."""
    keys = ["similarity", "approximation", *CHOICE]
    for key, of_choice in scores.groupby(keys):
        credit = verdicts(of_choice, parent_of)["credit"]
        yield dict(zip(keys, key, strict=True)) | {"accuracy": credit.mean(), "n": len(credit)}


def detector_outcomes(
    predictions: pd.DataFrame, parent_of: dict[str, str], ancestors: dict[str, dict]
) -> Iterator[pd.DataFrame]:
    """Verdicts of the lineage detectors on each seed's test children, where the parent is a candidate.

    Args:
        predictions: of one setting.
        parent_of: each child's parent.
        ancestors: conditions under which an ancestor is asked for, with `parents`: each child's.
    """
    wanted = predictions[
        (predictions["part"] == "test")
        & (predictions["candidate"] != NO_PARENT)
        & ~predictions["condition"].isin([ABSENT, PRESENT])
    ]
    for (method, condition, seed), rows in wanted.groupby(["method", "condition", "seed"]):
        truth = ancestors[condition]["parents"] if condition in ancestors else parent_of
        verdict = verdicts(rows.rename(columns={"logit": "score"})[[*PAIR, "score"]], truth)
        yield verdict.assign(method=method, condition=condition, seed=seed, layer=None, alpha=np.nan)


def absence(predictions: pd.DataFrame) -> Iterator[dict]:
    """Rows of results: how well each detector tells that the parent is not among the candidates.

    Each test child counts twice: with its parent among the candidates and without, of equally many. Of each
    seed: the area under the ROC curve of the probability of `no parent`, and the accuracy at the threshold that is
    best on the validation children. Over all seeds: chance and a 95 % interval of that accuracy.
    """
    answers = predictions[
        (predictions["candidate"] == NO_PARENT) & predictions["condition"].isin([PRESENT, ABSENT])
    ]
    for method, of_method in answers.groupby("method"):
        right = []
        for seed, of_seed in of_method.groupby("seed"):
            parts = dict(list(of_seed.groupby("part")))
            threshold = best_threshold(parts["validation"])
            test = parts["test"]
            is_absent = test["condition"] == ABSENT
            is_right = (test["probability"] > threshold) == is_absent
            right.append(test[["child"]].assign(right=is_right))
            numbers = {
                "auroc": roc_auc_score(is_absent, test["probability"]),
                "accuracy": is_right.mean(),
                "threshold": threshold,
            }
            yield from _rows(method, ABSENT, seed, numbers, len(test))
        by_child = pd.concat(right).groupby("child")["right"].mean()
        yield from _pooled(method, ABSENT, by_child, 0.5)


def best_threshold(answers: pd.DataFrame) -> float:
    """The probability of `no parent` above which it is the answer: right most often, in the middle of its range.

    Args:
        answers: condition and probability of validation children, with the parent and without.
    """
    is_absent = (answers["condition"] == ABSENT).to_numpy()
    values = answers["probability"].to_numpy()
    edges = np.concatenate([[0.0], np.unique(values), [1.0]])
    middles = (edges[1:] + edges[:-1]) / 2
    right = [((values > middle) == is_absent).mean() for middle in middles]
    best = np.flatnonzero(np.isclose(right, max(right)))
    return float(middles[best[np.argmax((edges[1:] - edges[:-1])[best])]])


def evaluated(
    scores: pd.DataFrame, predictions: pd.DataFrame, settings: dict[str, dict]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Verdicts and results of all of an experiment's settings.

    Args:
        scores: the learning-free scores.
        predictions: the lineage detectors'.
        settings: for each its `parents` (child to parent), `candidates`, `splits` (of each seed, child to part),
            `counts` (of candidates, for verdicts among fewer) and `ancestors` (conditions, each with its
            `candidates` and `parents`, under which an ancestor is asked for).

    Returns:
        Tables of OUTCOMES and of RESULTS, without their experiment.
    """
    outcomes, results = [], []
    for setting, zoo in settings.items():
        of_setting = scores[scores["setting"] == setting]
        predicted = predictions[predictions["setting"] == setting]
        frames = []
        for seed, parts in enumerate(zoo["splits"]):
            some = fewer_candidates(zoo, parts, seed)
            frames += learning_free_outcomes(of_setting, zoo["parents"], parts, seed, some)
            for condition, among in zoo["ancestors"].items():
                of_these = of_setting[of_setting["candidate"].isin(among["candidates"])]
                found = learning_free_outcomes(of_these, among["parents"], parts, seed, {})
                frames += (verdict.assign(condition=condition) for verdict in found)
        frames += detector_outcomes(predicted, zoo["parents"], zoo["ancestors"])
        verdict = pd.concat(frames).reset_index().assign(setting=setting)
        outcomes.append(verdict)
        results += [{"setting": setting} | row for row in (*summarised(verdict), *absence(predicted))]
    return pd.concat(outcomes) if outcomes else pd.DataFrame(columns=VERDICT), pd.DataFrame(results)


def fewer_candidates(zoo: dict, parts: dict[str, str], seed: int) -> dict[str, pd.DataFrame]:
    """For each count of candidates, the pairs (child, candidate) of the test children."""
    tested = sorted(child for child, part in parts.items() if part == "test")
    return {
        with_count(count): pd.DataFrame(
            [
                (child, candidate)
                for child in tested
                for candidate in some_candidates(
                    child,
                    zoo["parents"][child],
                    [candidate for candidate in zoo["candidates"] if candidate != child],
                    count=count,
                    seed=seed,
                )
            ],
            columns=PAIR,
        )
        for count in zoo["counts"]
    }


def summarised(outcomes: pd.DataFrame) -> Iterator[dict]:
    """Rows of results of one setting.

    Of each seed: accuracy, and on how many children the best score is tied or any score overshoots. Over all
    seeds: chance, and a 95 % interval of the accuracy, for which a child tested in several seeds counts once.

    Args:
        outcomes: verdicts with method, condition, seed, child.
    """
    for (method, condition), rows in outcomes.groupby(["method", "condition"]):
        for seed, of_seed in rows.groupby("seed"):
            numbers = {
                "accuracy": of_seed["credit"].mean(),
                "ties": (of_seed["tied"] > 1).sum(),
                "overshoots": (of_seed["overshoot"] > 0).sum(),
            }
            yield from _rows(method, condition, seed, numbers, len(of_seed))
        chance = (1 / rows["candidates"]).mean()
        yield from _pooled(method, condition, rows.groupby("child")["credit"].mean(), chance)


def _pooled(method: str, condition: str, by_child: pd.Series, chance: float) -> Iterator[dict]:
    """Rows over all seeds: chance, and the interval of an accuracy."""
    low, high = wilson_interval(by_child.mean(), len(by_child))
    numbers = {"chance": chance, "interval_low": low, "interval_high": high}
    yield from _rows(method, condition, None, numbers, len(by_child))


def _rows(method: str, condition: str, seed: int | None, numbers: dict[str, float], n: int) -> Iterator[dict]:
    for metric, value in numbers.items():
        yield {
            "method": method,
            "condition": condition,
            "seed": seed,
            "metric": metric,
            "value": value,
            "n": n,
        }
