"""How well candidates explain what a suspect answers. K candidates, n queries, C classes, d features.

All candidates are fitted at once: what unrelated networks of equal accuracy would answer too is explained by all of
them alike, and a candidate's weight is what it alone explains.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

FLOOR = -10.0
"""Log-probabilities below it say nothing more."""
RIDGE = 1e-3
"""Pulls weights to 0, a query; where candidates are copies of each other they share the weight."""
STEPS, CLOSE = 50, 1e-6
AXES = 32
"""Of what candidates answer themselves; with very many classes, so many say how well they are predicted."""
NOTHING = 1e-12
"""Of the strongest axis of features; weaker ones are rounding."""
PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1)
"""Of a linear fit on features, in parts of their variance; the best is taken, for every candidate by itself."""


def centred(log_probabilities: np.ndarray) -> np.ndarray:
    """Log-probabilities [..., C] less their mean over the classes."""
    values = np.maximum(np.asarray(log_probabilities, dtype=np.float64), FLOOR)
    return values - values.mean(-1, keepdims=True)


@dataclass(frozen=True)
class Explained:
    """How far all candidates together explain answers.

    weights: what each alone explains [K]; left: what is left unexplained, smaller if less is.
    """

    weights: np.ndarray
    left: float


def least_squares(answers: np.ndarray, candidates: np.ndarray) -> Explained:
    """The weights whose mixture of the candidates' log-probabilities is nearest to the suspect's; squares are left.

    Args:
        answers: log-probabilities [n, C]; candidates: likewise, [K, n, C].
    """
    design = centred(candidates).reshape(len(candidates), -1)
    gram = design @ design.T
    gram += RIDGE * gram.trace() / len(gram) * np.eye(len(gram))
    wanted = centred(answers).ravel()
    weights = np.linalg.solve(gram, design @ wanted)
    return Explained(weights, float(np.square(wanted - weights @ design).sum()))


def ranked_logit(ranked: np.ndarray, candidates: np.ndarray) -> Explained:
    """The weights that make the suspect's best classes likeliest: a logit over the candidates' log-probabilities.

    What is left is the negative of their log-likelihood. With one label a query it is the conditional logit (McFadden
    1974), with several the rank-ordered one (Beggs et al. 1981, doi:10.1016/0304-4076(81)90056-7); Newton's method.

    Args:
        ranked: classes from the best, int [n, k]; candidates: log-probabilities [K, n, C].
    """
    design = np.ascontiguousarray(centred(candidates).transpose(1, 2, 0))
    queries, flat = np.arange(len(ranked)), design.reshape(-1, len(candidates))
    weights = np.full(len(candidates), 1 / len(candidates))
    for _ in range(STEPS):
        gradient = -RIDGE * len(ranked) * weights
        curvature = RIDGE * len(ranked) * np.eye(len(weights))
        left, unlikely = np.ones(design.shape[:2]), 0.0
        for chosen in ranked.T[: design.shape[1] - 1]:
            scores = np.where(left > 0, (flat @ weights).reshape(left.shape), -np.inf)
            shares = np.exp(scores - scores.max(1, keepdims=True))
            shares /= shares.sum(1, keepdims=True)
            unlikely -= float(np.log(np.maximum(shares[queries, chosen], np.finfo(float).tiny)).sum())
            mean = np.matmul(shares[:, None], design)[:, 0]
            gradient += (design[queries, chosen] - mean).sum(0)
            curvature += (flat * shares.reshape(-1, 1)).T @ flat - mean.T @ mean
            left[queries, chosen] = 0
        step = np.linalg.solve(curvature, gradient)
        weights = weights + step
        if np.abs(step).max() < CLOSE:
            break
    return Explained(weights, unlikely)


class Predictors:
    """How much better each candidate's features predict answers than those of the others.

    The share of the variance that a linear fit predicts of queries left out, one at a time (PRESS, Allen 1974,
    doi:10.1080/00401706.1974.10489157).

    Args:
        features: of each candidate, [n, d].
        usual: what each candidate answers itself, as a suspect does, [n, b]; how well a candidate's features
            predict those of the others is what they give an unrelated network.
    """

    def __init__(self, features: Sequence[np.ndarray], usual: Sequence[np.ndarray]):
        self._features, self._usual = features, [_leading(values) for values in usual]
        self._known: dict[int, tuple[_Kernel, float]] = {}

    def predicted(self, answers: np.ndarray, places: Sequence[int] | None = None) -> np.ndarray:
        """Of answers, any numbers [n, a], by the features of each candidate, or of some, [K]; the others get NaN."""
        scores = np.full(len(self._features), np.nan)
        for place in range(len(scores)) if places is None else places:
            kernel, usual = self._of(place)
            scores[place] = kernel.explained([answers])[0] - usual
        return scores

    def _of(self, place: int) -> tuple["_Kernel", float]:
        if place not in self._known:
            kernel = _Kernel(self._features[place])
            usual = float(np.mean(np.delete(kernel.explained(self._usual), place)))
            self._known[place] = kernel, usual
        return self._known[place]


def agreement(labels: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    """The share of queries that each candidate labels as the suspect does [K]: the simplest rule, to compare with."""
    return (candidates == labels).mean(1)


def _leading(answers: np.ndarray) -> np.ndarray:
    """Answers along the axes [n, at most AXES] on which they vary most."""
    if answers.shape[1] <= AXES:
        return answers
    left, strengths, _ = np.linalg.svd(answers - answers.mean(0), full_matrices=False)
    return left[:, :AXES] * strengths[:AXES]


class _Kernel:
    """Linear fits on one candidate's features."""

    def __init__(self, features: np.ndarray):
        values = np.asarray(features, dtype=np.float64)
        values = values - values.mean(0)
        variance = max(float(np.square(values).sum()) / len(values), np.finfo(float).tiny)
        if values.shape[1] >= len(values):
            self._strengths, self._directions = np.linalg.eigh(values @ values.T / variance)
            return
        strengths, axes = np.linalg.eigh(values.T @ values / variance)
        strong = strengths > NOTHING * max(strengths.max(), NOTHING)
        self._strengths = strengths[strong]
        self._directions = values @ (axes[:, strong] / np.sqrt(strengths[strong] * variance))

    def explained(self, several: Sequence[np.ndarray]) -> np.ndarray:
        """The share of the variance of each of several answers that the best penalty predicts of queries left out."""
        starts = np.cumsum([0, *(answers.shape[1] for answers in several[:-1])])
        wanted = np.concatenate([answers - answers.mean(0) for answers in several], axis=1)
        inside = self._directions.T @ wanted
        total, n = np.add.reduceat(np.square(wanted).sum(0), starts), len(wanted)
        best = np.full(len(several), -np.inf)
        for penalty in PENALTIES:
            shrunk = self._strengths / (self._strengths + penalty * n)
            leverage = np.square(self._directions) @ shrunk + 1 / n
            missed = (wanted - self._directions @ (shrunk[:, None] * inside)) / (1 - leverage)[:, None]
            left = np.add.reduceat(np.square(missed).sum(0), starts)
            best = np.maximum(best, 1 - left / np.maximum(total, np.finfo(float).tiny))
        return np.where(total > 0, best, 0.0)
