"""How well detectors tell that the parent is not among the candidates."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from lineage.experiment.conditions import ABSENT, NO_PARENT, PRESENT
from lineage.results.evaluation.accuracy import pooled, rows_of


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
            yield from rows_of(method, ABSENT, seed, numbers, len(test))
        by_child = pd.concat(right).groupby("child")["right"].mean()
        yield from pooled(method, ABSENT, by_child, 0.5)


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
