"""From scores of hybrids' blocks to verdicts: the source of each block, with its probability.

Methods are those of `lineage.results.methods`. Each method's alpha and temperature T are chosen on the blocks of
validation children, anew for each seed's split; the probability of a candidate is the softmax of its score / T over
the candidates. m blocks, C candidates.
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from lineage.experiment.conditions import ALL_BLOCKS, of_block
from lineage.results.evaluation.accuracy import summarised
from lineage.results.evaluation.verdicts import chosen, verdicts
from lineage.results.methods import best_score, method_of

LOG_RANGE = 15.0
"""Temperatures are sought from exp(-15) to exp(15) times the scores' mean distance to the best."""


def evaluated_blocks(
    scores: pd.DataFrame, splits: dict[str, list[dict[str, str]]]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Verdicts and results of all settings of hybrids.

    Args:
        scores: BLOCK_SCORES.
        splits: for each setting, each seed's parts of the children.

    Returns:
        Tables of BLOCK_SOURCES and of RESULTS, without their experiment. In the interval each child counts once, also
        under the condition of all blocks; `confidence` is the mean probability of what is predicted.
    """
    sources, results = [], []
    for setting, of_setting in scores.groupby("setting"):
        frames = [
            frame
            for seed, parts in enumerate(splits[setting])
            for frame in block_verdicts(of_setting, parts, seed)
        ]
        verdict = pd.concat(frames, ignore_index=True).assign(setting=setting)
        sources.append(verdict)
        asked = pd.concat(
            [
                verdict.assign(condition=verdict["layer"].map(of_block)),
                verdict.assign(condition=ALL_BLOCKS),
            ]
        )
        results += [{"setting": setting} | row for row in (*summarised(asked), *confidences(asked))]
    return pd.concat(sources), pd.DataFrame(results)


def block_verdicts(scores: pd.DataFrame, parts: dict[str, str], seed: int) -> Iterator[pd.DataFrame]:
    """Verdicts of every method on the blocks of the test children of one split.

    Args:
        scores: child, layer, candidate, similarity, approximation, alpha, score, source.
        parts: each child's part.
        seed: of the split.
    """
    block = scores["child"] + " " + scores["layer"]
    known = (
        scores[["child", "layer", "source"]].assign(block=block).drop_duplicates("block").set_index("block")
    )
    source_of, part_of = known["source"].to_dict(), known["child"].map(parts).to_dict()
    of_blocks = scores.assign(child=block, layer=ALL_BLOCKS)
    for (similarity, approximation), of_method in of_blocks.groupby(["similarity", "approximation"]):
        _, alpha = chosen(of_method, source_of, part_of)
        at_alpha = of_method[of_method["alpha"] == alpha]
        part = at_alpha["child"].map(part_of)
        values, truth, _ = _matrix(at_alpha[part == "validation"], source_of)
        temperature = fitted_temperature(values, truth)
        test = at_alpha[part == "test"]
        verdict = verdicts(test, source_of, best_score(similarity))
        values, truth, index = _matrix(test, source_of)
        probability = softmax(values / temperature, axis=1)
        yield (
            verdict.drop(columns=["parent", "margin"])
            .join(known)
            .assign(
                method=method_of(similarity, approximation),
                seed=seed,
                alpha=alpha,
                temperature=temperature,
                probability=pd.Series(probability.max(axis=1), index),
                source_probability=pd.Series(probability[np.arange(len(truth)), truth], index),
            )
        )


def fitted_temperature(values: np.ndarray, truth: np.ndarray) -> float:
    """The temperature whose softmax has the least cross-entropy with the truth, softened.

    Where every answer is right, the likelihood alone would be best at temperature 0, sure of everything. So the truth
    has the probability (m + 1)/(m + C), not 1, and each other candidate 1/(m + C): Laplace's rule of succession, as
    Platt has it for two classes (Platt 1999, Probabilistic outputs for support vector machines, section 2.2).

    Args:
        values: scores [m, C].
        truth: each block's source, as a column [m].
    """
    m, C = values.shape
    target = np.full((m, C), 1 / (m + C))
    target[np.arange(m), truth] = (m + 1) / (m + C)
    below_best = values - values.max(axis=1, keepdims=True)
    scale = -below_best.mean()
    if scale == 0:
        return 1.0

    def cross_entropy(log_ratio: float) -> float:
        return -(target * log_softmax(below_best / (scale * np.exp(log_ratio)), axis=1)).sum() / m

    found = minimize_scalar(
        cross_entropy, bounds=(-LOG_RANGE, LOG_RANGE), method="bounded", options={"xatol": 1e-9}
    )
    return float(scale * np.exp(found.x))


def confidences(verdict: pd.DataFrame) -> Iterator[dict]:
    """Rows of results: of each method, condition and seed, the mean probability of what is predicted."""
    keys = ["method", "condition", "seed"]
    for key, rows in verdict.groupby(keys):
        yield dict(zip(keys, key, strict=True)) | {
            "metric": "confidence",
            "value": rows["probability"].mean(),
            "n": len(rows),
        }


def _matrix(scores: pd.DataFrame, source_of: dict[str, str]) -> tuple[np.ndarray, np.ndarray, pd.Index]:
    """Scores [m, C], the column of each source [m], and the blocks; NaN counts as the block's lowest score."""
    table = scores.pivot(index="child", columns="candidate", values="score")
    table = table.apply(lambda row: row.fillna(row.min()), axis=1).fillna(0.0)
    truth = table.columns.get_indexer([source_of[block] for block in table.index])
    return table.to_numpy(), truth, table.index
