"""What stands out, what candidates explain, which queries are chosen: against formulas and slow direct versions."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import entropy
from sklearn.linear_model import Ridge

from lineage.asking.choosing.query_rules import PARTS, RULE, RULES, choose, disagreement
from lineage.asking.distances import (
    PENALTIES,
    RIDGE,
    Predictors,
    agreement,
    centred,
    least_squares,
    ranked_logit,
)
from lineage.asking.outliers import critical_value, outliers
from lineage.asking.queryset import Seen
from lineage.errors import UserError

ROSNER = [
    -0.25, 0.68, 0.94, 1.15, 1.20, 1.26, 1.26, 1.34, 1.38, 1.43, 1.49, 1.49, 1.55, 1.56, 1.58, 1.65, 1.69, 1.70,
    1.76, 1.77, 1.81, 1.91, 1.94, 1.96, 1.99, 2.06, 2.09, 2.10, 2.14, 2.15, 2.23, 2.24, 2.26, 2.35, 2.37, 2.40,
    2.47, 2.54, 2.62, 2.64, 2.90, 2.92, 2.92, 2.93, 3.21, 3.26, 3.30, 3.59, 3.68, 4.30, 4.64, 5.34, 5.42, 6.01,
]  # fmt: skip
"""The data of Rosner 1983, of which the NIST/SEMATECH handbook of statistical methods (1.3.5.17.3) has the answer."""


def test_the_outliers_are_those_that_the_handbook_finds():
    scores = np.array(ROSNER)
    found = outliers(scores, alpha=0.025, most=10)
    assert sorted(scores[found.chosen]) == [5.34, 5.42, 6.01]
    quantiles = [critical_value(n, 0.025) * np.sqrt((n - 1) / n) for n in (54, 53, 52)]
    published = [
        (n - 1) * t / np.sqrt((n - 2 + t**2) * n) for n, t in zip((54, 53, 52), quantiles, strict=True)
    ]
    assert published == pytest.approx([3.158, 3.151, 3.143], abs=2e-3)


def test_unrelated_scores_stand_out_as_often_as_stated():
    random = np.random.default_rng(1)
    hits = sum(bool(outliers(random.normal(size=20), alpha=0.05, most=1).chosen) for _ in range(1000))
    assert 0.03 < hits / 1000 < 0.07


def test_equal_scores_do_not_stand_out():
    assert outliers(np.full(9, 0.5), alpha=0.05, most=3).chosen == []


@pytest.fixture
def candidates() -> np.ndarray:
    """Log-probabilities [5, 60, 4]."""
    values = np.random.default_rng(2).normal(size=(5, 60, 4)) * 2
    return values - np.log(np.exp(values).sum(2, keepdims=True))


def test_the_logit_is_the_maximum_of_its_likelihood(candidates):
    random = np.random.default_rng(3)
    ranked = np.argsort(-(1.2 * candidates[1] + random.gumbel(size=(60, 4))), axis=1)[:, :2]
    design = centred(candidates)

    def loss(weights: np.ndarray) -> float:
        utilities = np.tensordot(weights, design, 1)
        total = 0.0
        for row, (first, second) in zip(utilities, ranked, strict=True):
            rest = np.delete(row, first)
            total += np.log(np.exp(row).sum()) - row[first] + np.log(np.exp(rest).sum()) - row[second]
        return total + RIDGE * len(ranked) / 2 * float(weights @ weights)

    assert ranked_logit(ranked, candidates).weights == pytest.approx(
        minimize(loss, np.zeros(5), tol=1e-10).x, abs=1e-3
    )


def test_least_squares_are_ridge_regression(candidates):
    suspect = np.log(np.random.default_rng(4).dirichlet(np.ones(4), 60))
    design = centred(candidates).reshape(5, -1).T
    strength = RIDGE * np.square(design).sum() / 5
    expected = Ridge(alpha=strength, fit_intercept=False).fit(design, centred(suspect).ravel()).coef_
    assert least_squares(suspect, candidates).weights == pytest.approx(expected)


def test_what_features_predict_is_measured_on_queries_left_out():
    random = np.random.default_rng(5)
    features = [random.normal(size=(12, 3)) for _ in range(3)]
    usual = [random.normal(size=(12, 2)) for _ in range(3)]
    suspect = features[1] @ random.normal(size=(3, 2)) + 0.1 * random.normal(size=(12, 2))

    def explained(answers: np.ndarray, values: np.ndarray) -> float:
        variance = np.square(values - values.mean(0)).sum() / len(values)
        best = -np.inf
        for penalty in PENALTIES:
            missed = 0.0
            for row in range(len(values)):
                others = np.arange(len(values)) != row
                model = Ridge(alpha=penalty * len(values) * variance).fit(values[others], answers[others])
                missed += float(np.square(answers[row] - model.predict(values[row : row + 1])[0]).sum())
            best = max(best, 1 - missed / np.square(answers - answers.mean(0)).sum())
        return best

    slow = [
        explained(suspect, features[place])
        - np.mean([explained(usual[other], features[place]) for other in range(3) if other != place])
        for place in range(3)
    ]
    found = Predictors(features, usual).predicted(suspect)
    assert found == pytest.approx(slow, abs=0.03)
    assert found.argmax() == 1


def test_agreement_is_the_share_of_equal_labels():
    assert agreement(np.array([1, 2, 3]), np.array([[1, 2, 0], [0, 0, 0]])).tolist() == [2 / 3, 0]


def seen(count: int = 400, natural: int = 150) -> Seen:
    random = np.random.default_rng(6)
    truth = random.integers(0, 4, count)
    guesses = np.where(random.random((6, count)) < 0.7, truth, random.integers(0, 4, (6, count)))
    return Seen(labels=guesses, margins=random.random((6, count)), classes=4, truth=truth, natural=natural)


def test_disagreement_is_the_entropy_of_the_labels():
    given = seen()
    shares = np.stack([np.bincount(column, minlength=4) / 6 for column in given.labels.T])
    assert disagreement(given) == pytest.approx(entropy(shares, axis=1), abs=1e-9)


def test_each_part_takes_the_inputs_that_it_says():
    given = seen()
    order = np.arange(400)
    near, between = (list(PARTS[name](given, order)) for name in ("near", "between"))
    assert sorted(near) == list(range(150))
    assert sorted(between) == list(range(150, 400))
    assert (np.diff(disagreement(given)[near]) <= 1e-12).all()
    wrong = list(PARTS["wrong"](given, order))
    assert (given.labels != given.truth).mean(0)[wrong[0]] == (given.labels != given.truth).mean(0)[
        :150
    ].max()
    for place in PARTS["alone"](given, order):
        assert 1 in np.bincount(given.labels[:, place])


def test_queries_are_distinct_and_follow_from_the_seed_alone():
    given = seen()
    first, again, other = (choose(RULE, given, 100, seed) for seed in (1, 1, 2))
    assert len(set(first.tolist())) == 100
    assert first.tolist() == again.tolist() != other.tolist()


@pytest.mark.parametrize(
    ("rule", "count", "said"),
    [
        ("any", 10, f"expected one of {', '.join(RULES)}"),
        ("near", 151, "the data give 150; give more images"),
    ],
)
def test_what_cannot_be_chosen_is_refused(rule, count, said):
    with pytest.raises(UserError, match=said):
        choose(rule, seen(), count, 0)
