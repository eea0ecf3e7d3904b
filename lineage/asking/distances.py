"""How well candidates explain what a suspect answers. K candidates, n queries, C classes, d features.

All candidates are fitted at once: what unrelated networks of equal accuracy would answer too is explained by all of
them alike, and a candidate's weight is what it alone explains.
"""

from collections.abc import Sequence

import numpy as np

FLOOR = -10.0
"""Log-probabilities below it say nothing more."""
RIDGE = 1e-3
"""Pulls weights to 0, a query; where candidates are copies of each other they share the weight."""
STEPS, CLOSE = 50, 1e-6
PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1)
"""Of a linear fit on features, in parts of their variance; the best is taken, for every candidate by itself."""


def centred(log_probabilities: np.ndarray) -> np.ndarray:
    """Log-probabilities [..., C] less their mean over the classes."""
    values = np.maximum(np.asarray(log_probabilities, dtype=np.float64), FLOOR)
    return values - values.mean(-1, keepdims=True)


def least_squares(answers: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    """The weights [K] whose mixture of the candidates' log-probabilities is nearest to the suspect's.

    Args:
        answers: log-probabilities [n, C]; candidates: likewise, [K, n, C].
    """
    design = centred(candidates).reshape(len(candidates), -1)
    gram = design @ design.T
    gram += RIDGE * gram.trace() / len(gram) * np.eye(len(gram))
    return np.linalg.solve(gram, design @ centred(answers).ravel())


def ranked_logit(ranked: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    """The weights [K] that make the suspect's best classes likeliest: a logit over the candidates' log-probabilities.

    With one label a query it is the conditional logit (McFadden 1974), with several the rank-ordered one (Beggs et
    al. 1981, doi:10.1016/0304-4076(81)90056-7); Newton's method.

    Args:
        ranked: classes from the best, int [n, k]; candidates: log-probabilities [K, n, C].
    """
    design = centred(candidates).transpose(1, 2, 0)
    queries = np.arange(len(ranked))
    weights = np.full(len(candidates), 1 / len(candidates))
    for _ in range(STEPS):
        gradient = -RIDGE * len(ranked) * weights
        curvature = RIDGE * len(ranked) * np.eye(len(weights))
        left = np.ones(design.shape[:2])
        for chosen in ranked.T[: design.shape[1] - 1]:
            scores = np.where(left > 0, design @ weights, -np.inf)
            shares = np.exp(scores - scores.max(1, keepdims=True))
            shares /= shares.sum(1, keepdims=True)
            mean = np.einsum("nc,nck->nk", shares, design)
            apart = (np.sqrt(shares)[..., None] * (design - mean[:, None])).reshape(-1, len(weights))
            gradient += (design[queries, chosen] - mean).sum(0)
            curvature += apart.T @ apart
            left[queries, chosen] = 0
        step = np.linalg.solve(curvature, gradient)
        weights = weights + step
        if np.abs(step).max() < CLOSE:
            break
    return weights


def predicted(answers: np.ndarray, features: Sequence[np.ndarray], usual: Sequence[np.ndarray]) -> np.ndarray:
    """How much better each candidate's features predict the suspect's answers than those of the others [K].

    The share of the variance that a linear fit predicts of queries left out, one at a time (PRESS, Allen 1974,
    doi:10.1080/00401706.1974.10489157).

    Args:
        answers: any numbers [n, a] of the suspect.
        features: of each candidate, [n, d].
        usual: what each candidate answers itself, as the suspect does, [n, b]; how well a candidate's features
            predict those of the others is what they give an unrelated network.
    """
    scores = np.empty(len(features))
    for place, values in enumerate(features):
        others = [answer for number, answer in enumerate(usual) if number != place]
        kernel = _Kernel(values)
        scores[place] = kernel.explained(answers) - np.mean([kernel.explained(answer) for answer in others])
    return scores


def agreement(labels: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    """The share of queries that each candidate labels as the suspect does [K]: the simplest rule, to compare with."""
    return (candidates == labels).mean(1)


class _Kernel:
    """Linear fits on one candidate's features."""

    def __init__(self, features: np.ndarray):
        values = np.asarray(features, dtype=np.float64)
        values = values - values.mean(0)
        variance = max(float(np.square(values).sum()) / len(values), np.finfo(float).tiny)
        self._strengths, self._directions = np.linalg.eigh(values @ values.T / variance)

    def explained(self, answers: np.ndarray) -> float:
        """The share of the answers' variance that the best of the penalties predicts of queries left out."""
        wanted = answers - answers.mean(0)
        inside = self._directions.T @ wanted
        total, n = np.square(wanted).sum(), len(wanted)
        if not total > 0:
            return 0.0
        best = -np.inf
        for penalty in PENALTIES:
            shrunk = self._strengths / (self._strengths + penalty * n)
            leverage = np.square(self._directions) @ shrunk + 1 / n
            missed = (wanted - self._directions @ (shrunk[:, None] * inside)) / (1 - leverage)[:, None]
            best = max(best, 1 - float(np.square(missed).sum() / total))
        return best
