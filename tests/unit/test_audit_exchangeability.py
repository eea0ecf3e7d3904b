"""The test of independence against every permutation, and against scipy's own permutation test."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import false_discovery_control, permutation_test

from lineage.relation.permutation_test import combined, conformal_p_values, discoveries, row_test


def rows(generator: np.random.Generator, count: int, columns: int) -> np.ndarray:
    values = generator.normal(size=(count, columns))
    return (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("seed", range(3))
def test_z_is_standardised_by_the_mean_and_deviation_over_all_orders(seed):
    generator = np.random.default_rng(seed)
    a, b = rows(generator, 6, 4), rows(generator, 6, 4)
    traces = [np.trace(a @ b[list(order)].T) for order in itertools.permutations(range(6))]
    expected = (np.trace(a @ b.T) - np.mean(traces)) / np.std(traces)
    assert row_test(a, b).z == pytest.approx(expected, abs=1e-4)


def test_the_bound_on_matches_holds_over_all_orders_whatever_the_rows_are():
    generator = np.random.default_rng(1)
    for _ in range(5):
        a, b = rows(generator, 6, 3), rows(generator, 6, 3)
        best = (a @ b.T).argmax(1)
        counts = [np.sum(best == np.argsort(order)) for order in itertools.permutations(range(6))]
        for matches in range(7):
            assert np.mean(np.array(counts) >= matches) <= 1 / math.factorial(matches) + 1e-12


def test_p_is_no_smaller_than_that_of_scipys_permutation_test():
    generator = np.random.default_rng(2)
    for strength in (0.0, 0.1, 0.2, 0.4):
        a = rows(generator, 40, 30)
        b = rows(generator, 40, 30) + strength * 3 * a
        b /= np.linalg.norm(b, axis=1, keepdims=True)
        overlap = a @ b.T

        def trace(order, overlap=overlap):
            return overlap[np.arange(40), order.astype(int)].sum()

        sampled = permutation_test(
            (np.arange(40.0),), trace, permutation_type="pairings", n_resamples=2000, alternative="greater", rng=0
        ).pvalue  # fmt: skip
        assert 10 ** row_test(a, b.astype(np.float32)).log10_p >= sampled / 3 - 1e-3


def test_independent_pairs_are_called_dependent_no_more_often_than_alpha():
    generator = np.random.default_rng(3)
    found = [row_test(rows(generator, 64, 40), rows(generator, 64, 40)) for _ in range(2000)]
    zs = np.array([test.z for test in found])
    assert abs(zs.mean()) < 0.08
    assert 0.94 < zs.std() < 1.06
    for alpha in (0.1, 0.01, 0.001):
        assert np.mean([test.log10_p <= math.log10(alpha) for test in found]) <= alpha


def test_one_row_that_dominates_both_is_no_evidence():
    a, b = np.zeros((400, 8), np.float32), np.zeros((400, 8), np.float32)
    a[7, 0] = b[7, 0] = 1
    assert row_test(a, b).z > 15
    assert row_test(a, b).log10_p > -1


def test_log10_p_is_never_below_what_the_number_of_orders_allows():
    a = rows(np.random.default_rng(4), 300, 50)
    assert row_test(a, a).log10_p == pytest.approx(-math.lgamma(301) / math.log(10), rel=1e-6)
    assert math.isfinite(row_test(a, a).log10_p)


def test_rows_without_any_order_give_no_evidence():
    a = np.ones((20, 5), np.float32) / np.sqrt(5, dtype=np.float32)
    assert row_test(a, a).log10_p == 0


def test_one_dependent_layer_among_several_is_no_evidence():
    assert combined([-300.0, -0.1, -0.2]) == 0
    assert combined([-300.0, -50.0, -0.2]) == pytest.approx(-50 + math.log10(2))
    assert combined([-300.0]) == -300
    assert combined([]) == 0


def test_the_combined_p_is_uniform_or_larger_under_independence():
    uniform = np.log10(np.random.default_rng(5).uniform(size=(4000, 6)))
    together = np.array([combined(list(row)) for row in uniform])
    assert np.mean(together <= -1) <= 0.1
    assert np.mean(together <= -2) <= 0.01


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(1e-8, 1), min_size=1, max_size=30), st.sampled_from([0.01, 0.05, 0.2]))
def test_discoveries_are_those_of_scipys_benjamini_hochberg(ps, rate):
    expected = false_discovery_control(ps) <= rate * (1 + 1e-12)
    assert discoveries([math.log10(p) for p in ps], rate * (1 + 1e-12)) == list(expected)


def test_conformal_p_is_uniform_over_exchangeable_networks():
    scores = np.random.default_rng(6).normal(size=(3000, 20))
    ps = [conformal_p_values(list(row))[0] for row in scores]
    assert np.mean(np.array(ps) <= 0.1) == pytest.approx(0.1, abs=0.02)
    assert conformal_p_values([1.0]) == [None]
