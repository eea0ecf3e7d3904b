"""The test of independence against every permutation of few rows, scipy's tests, and closed forms."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import false_discovery_control, norm, permutation_test

from lineage.relation.multiple_testing import beyond_a_fixed_part, combined, discoveries
from lineage.relation.permutation_test import (
    RowTest,
    conformal_p_values,
    row_test,
)

SIX = [list(order) for order in itertools.permutations(range(6))]


def rows(generator: np.random.Generator, count: int, columns: int) -> np.ndarray:
    return unit(generator.normal(size=(count, columns)))


def unit(values: np.ndarray) -> np.ndarray:
    """Rows of norm 1, or 0 where they were 0."""
    norms = np.linalg.norm(values, axis=1, keepdims=True)
    return np.divide(values, norms, out=np.zeros(values.shape, np.float32), where=norms > 0, dtype=np.float32)


def related(strength: float, seed: int, count: int = 6) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    candidate = rows(generator, count, 30)
    return candidate, unit(rows(generator, count, 30) + strength * candidate)


tied = st.tuples(*[arrays(np.float32, (6, 3), elements=st.sampled_from([-1.0, 0.0, 0.0, 1.0]))] * 2)
"""Rows of few values: many are equal, many are 0, so that several are equally similar to one."""


@given(tied)
@settings(max_examples=40, deadline=None)
def test_z_is_standardised_by_the_mean_and_deviation_over_all_orders(pair):
    candidate, child = map(unit, pair)
    traces = np.array([np.trace(candidate @ child[order].T) for order in SIX], np.float64)
    found = row_test(candidate, child)
    if traces.std() < 2e-6:
        assert (found.z, found.log10_p) == (0, 0)
    else:
        assert found.z == pytest.approx((traces[0] - traces.mean()) / traces.std(), abs=1e-3)


@given(tied)
@example(
    (np.float32([[0], [-1], [-1], [-1], [0], [0]]), np.float32([[-1], [-1], [0], [0], [0], [0]])),
)
@settings(max_examples=40, deadline=None)
def test_the_p_value_is_exact_over_all_orders_whatever_the_rows_are(pair):
    """For every alpha, at most that share of the 720 orders has a p-value so small; ties, zero rows and all."""
    candidate, child = map(unit, pair)
    found = [row_test(candidate, child[order]) for order in SIX]
    matches = np.array([test.matches for test in found])
    for count in range(7):
        assert np.mean(matches >= count) <= 1 / math.factorial(count) + 1e-12
    log10_ps = np.array([test.log10_p for test in found])
    for alpha in 10 ** np.unique(log10_ps):
        assert np.mean(10**log10_ps <= alpha * (1 + 1e-9)) <= alpha * (1 + 1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_the_smallest_p_value_is_that_of_the_one_right_order_of_720(seed):
    candidate, child = related(100.0, seed)
    ps = np.array([10 ** row_test(candidate, child[order]).log10_p for order in SIX])
    assert ps[0] == pytest.approx(1 / 720, rel=0.5)
    assert np.sum(ps <= ps[0] * (1 + 1e-9)) == 1


def test_rows_that_are_equally_similar_to_several_are_no_match():
    """The first rows are dead in both: the row that stands first must not count as the most similar."""
    candidate, child = np.zeros((20, 4), np.float32), np.zeros((20, 4), np.float32)
    candidate[1:, 0] = child[1:, 0] = 1
    assert row_test(candidate, child).matches == 0


@pytest.mark.parametrize(("strength", "seed"), [(0.0, 1), (0.1, 2), (0.2, 3), (0.3, 4), (0.4, 5)])
def test_the_tail_of_z_is_that_of_scipys_permutation_test(strength, seed):
    candidate, child = related(strength, seed, count=40)
    overlap = candidate @ child.T
    expected = permutation_test(
        (np.arange(40.0),),
        lambda order: overlap[np.arange(40), order.astype(int)].sum(),
        permutation_type="pairings",
        n_resamples=9999,
        alternative="greater",
        rng=0,
    ).pvalue
    assert norm.sf(row_test(candidate, child).z) == pytest.approx(expected, rel=0.15, abs=0.002)


def test_the_larger_of_both_p_values_counts():
    """Every row matches, but only by a hair: then the tail of z is the larger; and the reverse for one large row."""
    child = np.random.default_rng(0).uniform(size=(30, 30)).astype(np.float32)
    np.fill_diagonal(child, child.max(0) + 1e-3)
    found = row_test(np.eye(30, dtype=np.float32), child)
    assert found.matches == 30
    assert found.log10_p == pytest.approx(norm.logsf(found.z) / math.log(10), rel=1e-9)
    few = row_test(*related(100.0, 0))
    assert few.log10_p == pytest.approx(-math.log10(math.factorial(few.matches)))


def test_related_rows_are_found():
    for seed in range(20):
        assert row_test(*related(1.0, seed, count=64)).log10_p < -10


def test_z_of_independent_pairs_is_standard_normal():
    generator = np.random.default_rng(3)
    zs = [row_test(rows(generator, 64, 40), rows(generator, 64, 40)).z for _ in range(2000)]
    for quantile in (0.01, 0.1, 0.5, 0.9, 0.99):
        share = np.mean(np.array(zs) <= norm.ppf(quantile))
        assert share == pytest.approx(quantile, abs=4 * math.sqrt(quantile * (1 - quantile) / 2000))


def test_one_row_that_dominates_both_is_no_evidence():
    candidate, child = np.zeros((400, 8), np.float32), np.zeros((400, 8), np.float32)
    candidate[7, 0] = child[7, 0] = 1
    assert row_test(candidate, child).z > 15
    assert row_test(candidate, child).log10_p > -1


def test_log10_p_of_equal_rows_is_that_of_one_order_among_all():
    candidate = rows(np.random.default_rng(4), 300, 50)
    expected = -sum(math.log10(count) for count in range(2, 301))
    assert row_test(candidate, candidate).log10_p == pytest.approx(expected, rel=1e-6)


def test_rows_without_any_order_give_no_evidence():
    constant = np.ones((20, 5), np.float32) / np.sqrt(5, dtype=np.float32)
    assert row_test(constant, constant).log10_p == 0


def test_one_dependent_layer_among_several_is_no_evidence():
    assert combined([-300.0, -0.1, -0.2]) == 0
    assert combined([-300.0, -50.0, -0.2]) == pytest.approx(-50 + math.log10(2))
    assert combined([-300.0]) == 0
    assert combined([]) == 0


@pytest.mark.parametrize("layers", [2, 3, 6])
def test_the_combined_p_has_its_level_where_one_layer_is_dependent_and_the_rest_are_not(layers):
    """Of L − 1 independent uniform p-values the smallest is below t with probability 1 − (1 − t)^(L−1)."""
    uniform = np.log10(np.random.default_rng(5).uniform(size=(20_000, layers - 1)))
    ps = 10 ** np.array([combined([-300.0, *row]) for row in uniform])
    for alpha in (0.3, 0.1, 0.01):
        expected = 1 - (1 - alpha / (layers - 1)) ** (layers - 1)
        assert np.mean(ps <= alpha) == pytest.approx(expected, abs=4 * math.sqrt(expected / 20_000))


@pytest.mark.parametrize("layers", [2, 3, 5])
def test_the_combined_p_has_its_level_however_the_layers_depend_on_each_other(layers):
    """The worst case: uniform p-values that are never small together, so that the level is reached exactly."""
    count = 60 * (layers - 1)
    shifted = [np.roll(np.arange(1, count + 1) / count, place * 60) for place in range(layers - 1)]
    ps = 10 ** np.array([combined([-300.0, *np.log10(row)]) for row in zip(*shifted, strict=True)])
    for alpha in (0.05, 0.1, 0.5):
        assert np.mean(ps <= alpha + 1e-9) == pytest.approx(alpha, abs=1e-9)


def layers(log10_ps: list[float]) -> dict[str, RowTest]:
    return {str(number): RowTest(64, 0.1, 1.4, -p, 5, p) for number, p in enumerate(log10_ps)}


@pytest.mark.parametrize("moved", [1, 2, 5])
def test_the_p_value_beyond_a_fixed_part_has_its_level_where_three_layers_are_fixed(moved):
    """Of m independent uniform p-values the smallest is below t with probability 1 − (1 − t)^m."""
    uniform = np.log10(np.random.default_rng(6).uniform(size=(20_000, moved)))
    ps = 10 ** np.array(
        [beyond_a_fixed_part(layers([-300.0, -300.0, -300.0, *row]), set("012")) for row in uniform]
    )
    for alpha in (0.3, 0.1, 0.01):
        expected = 1 - (1 - alpha / moved) ** moved
        assert np.mean(ps <= alpha) == pytest.approx(expected, abs=4 * math.sqrt(expected / 20_000))


def test_a_part_that_is_the_same_in_both_is_evidence_only_where_nothing_differs():
    assert beyond_a_fixed_part(layers([-300.0, -200.0]), set("01")) == -200
    assert beyond_a_fixed_part(layers([-300.0, -200.0, -0.1]), set("01")) == pytest.approx(-0.1)
    assert beyond_a_fixed_part(layers([-300.0, -200.0, -20.0]), set("01")) == -20
    assert beyond_a_fixed_part(layers([-300.0]), set("0")) == 0


def test_the_change_of_rows_is_their_distance_at_the_same_places():
    candidate, child = related(0.5, 3)
    expected = np.sqrt(np.mean(np.linalg.norm(candidate - child, axis=1) ** 2))
    assert row_test(candidate, child).change == pytest.approx(expected, rel=1e-6)
    assert row_test(candidate, candidate).change == 0


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(1e-8, 1), min_size=1, max_size=30), st.sampled_from([0.01, 0.05, 0.2]))
def test_discoveries_are_those_of_scipys_benjamini_yekutieli(ps, rate):
    expected = false_discovery_control(ps, method="by") <= rate * (1 + 1e-12)
    assert discoveries([math.log10(p) for p in ps], rate * (1 + 1e-12)) == list(expected)


@given(st.lists(st.integers(-3, 3).map(float), min_size=2, max_size=12))
def test_the_conformal_p_counts_the_networks_that_look_at_least_as_related(scores):
    counts = [sum(score >= own for score in scores) for own in scores]
    assert conformal_p_values(scores) == [count / len(scores) for count in counts]


def test_a_network_alone_has_no_conformal_p():
    assert conformal_p_values([1.0]) == [None]
    assert conformal_p_values([]) == []
