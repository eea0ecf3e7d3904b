"""How well methods tell that the parent is not among the candidates."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from lineage.experiment.conditions import ABSENT, NO_PARENT, PRESENT, asked_of
from lineage.results.evaluation.accuracy import pooled, rows_of
from lineage.types.evaluation import Evaluated

MOST_UNASKED = 3
"""With so few candidates, without the parent a lead cannot be set beside another one."""


def absence(predictions: pd.DataFrame) -> Iterator[dict]:
    """Rows of results: how well each method tells that the parent is not among the candidates.

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
            yield from rows_of(method, ABSENT, seed, numbers, len(test))
        by_child = pd.concat(right).groupby("child")["right"].mean()
        yield from pooled(method, ABSENT, by_child, 0.5)


def margins(scores: pd.DataFrame, outcomes: pd.DataFrame, models: Evaluated) -> pd.DataFrame:
    """What stands for a probability of `no parent` where a method gives none, as columns that `absence` takes.

    The best score's lead over the second, divided by the second's over the worst, is g; then 1 / (1 + g). It needs
    three candidates beside the parent.

    Args:
        scores: of one setting, with the column method.
        outcomes: its verdicts among all candidates, for the layer and alpha chosen in each seed.
        models: the setting's.
    """
    choices = outcomes[["method", "seed", "layer", "alpha"]].drop_duplicates().dropna(subset="layer")
    if len(models.candidates) <= MOST_UNASKED:
        choices = choices.iloc[:0]
    among = scores[scores["candidate"].isin(models.candidates)]
    of_choice = dict(list(among.groupby(["method", "layer", "alpha"])))
    rows = []
    for method, seed, layer, alpha in choices.itertuples(index=False):
        parts = models.splits[seed]
        table = of_choice[method, layer, alpha].pivot(index="child", columns="candidate", values="score")
        for child, values in zip(table.index, table.fillna(-np.inf).to_numpy(), strict=True):
            if parts[child] == "train":
                continue
            score_of = dict(zip(table.columns, values, strict=True))
            asked = asked_of(child, models.parents[child], list(score_of), counts=(), seed=seed)
            rows += [
                (method, seed, parts[child], condition, child, NO_PARENT,
                 1 / (1 + lead([score_of[candidate] for candidate in asked[condition]])))
                for condition in (PRESENT, ABSENT)
            ]  # fmt: skip
    columns = ["method", "seed", "part", "condition", "child", "candidate", "probability"]
    return pd.DataFrame(rows, columns=columns)


def lead(scores: Sequence[float]) -> float:
    """The lead of the best of three or more scores over the second, by the second's over the worst."""
    worst, *_, second, best = np.sort(scores)
    with np.errstate(invalid="ignore", divide="ignore"):
        return float(np.nan_to_num((best - second) / (second - worst), nan=0.0))


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
