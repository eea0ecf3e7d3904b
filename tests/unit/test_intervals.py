"""Intervals over clusters against SciPy's for independent cases, and against how often they hold the truth."""

import importlib.util
import random
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from lineage.experiment.conditions import STANDARD
from lineage.results.evaluation.accuracy import summarised
from lineage.results.intervals import clustered_interval, wilson_interval
from lineage.results.repooled import write_intervals
from lineage.storage.parquet import read_table, write_table
from lineage.storage.schemas import EDGES, OUTCOMES, RESULTS

BENCH = Path(__file__).parents[1] / "bench" / "interval_coverage.py"


@pytest.fixture(scope="module")
def bench():
    specification = importlib.util.spec_from_file_location("interval_coverage", BENCH)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@settings(max_examples=50, deadline=None)
@given(n=st.integers(1, 300), data=st.data())
def test_the_interval_of_independent_cases_is_wilsons(n, data):
    k = data.draw(st.integers(0, n))
    expected = scipy.stats.binomtest(k, n).proportion_ci(confidence_level=0.95, method="wilson")
    assert wilson_interval(k / n, n) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_over_many_clusters_of_one_case_it_is_wilsons():
    hits = [True] * 300 + [False] * 700
    expected = scipy.stats.binomtest(300, 1000).proportion_ci(confidence_level=0.95, method="wilson")
    assert clustered_interval(hits, range(1000)) == pytest.approx((expected.low, expected.high), abs=1e-3)


def test_over_many_clusters_of_equal_cases_it_is_that_of_the_clusters():
    hits = np.repeat([True] * 300 + [False] * 700, 5)
    clusters = np.repeat(np.arange(1000), 5)
    expected = scipy.stats.binomtest(300, 1000).proportion_ci(confidence_level=0.95, method="wilson")
    assert clustered_interval(hits, clusters) == pytest.approx((expected.low, expected.high), abs=1e-3)


@settings(max_examples=50, deadline=None)
@given(data=st.data(), roots=st.integers(1, 8), children=st.integers(1, 6))
def test_it_holds_the_share_lies_in_0_to_1_and_mirrors_with_right_and_wrong(data, roots, children):
    n = roots * children
    credits = np.array(data.draw(st.lists(st.sampled_from([0, 0.5, 1]), min_size=n, max_size=n)))
    clusters = [f"p{number % roots}" for number in range(n)]
    low, high = clustered_interval(credits, clusters)
    assert 0 <= low <= credits.mean() + 1e-12
    assert credits.mean() - 1e-12 <= high <= 1
    assert clustered_interval(1 - credits, clusters) == pytest.approx((1 - high, 1 - low), abs=1e-12)
    order = random.Random(0).sample(range(n), n)
    shuffled = clustered_interval(credits[order], [clusters[place] for place in order])
    assert shuffled == pytest.approx((low, high), abs=1e-12)


def test_cases_that_are_alike_in_each_cluster_widen_it():
    alike = np.repeat([1, 0, 1, 0, 1, 0], 8)
    apart = np.tile([1, 0], 24)
    clusters = np.repeat(np.arange(6), 8)
    width = {name: np.ptp(clustered_interval(hits, clusters)) for name, hits in (("a", alike), ("b", apart))}
    assert width["a"] > 1.8 * width["b"]


def test_it_holds_the_accuracy_in_92_to_97_per_cent_of_experiments_of_six_roots(bench):
    held = 100 * bench.coverage(bench.over_roots, 6, 8, (0.5, 0.8, 0.95), (0.0, 0.1, 0.2))
    assert (held.round() >= 92).all()
    assert (held.round() <= 97).all()


def test_the_benchs_probabilities_are_those_of_draws(bench):
    """Coverage without a draw, against how often the interval holds over drawn experiments."""
    generator, accuracy, deviation = np.random.default_rng(0), 0.7, 0.15
    concentration = accuracy * (1 - accuracy) / deviation**2 - 1
    shape = (accuracy * concentration, (1 - accuracy) * concentration)
    right = generator.binomial(4, generator.beta(*shape, size=(2000, 4)))
    bounds = [bench.over_roots(of_roots, 4) for of_roots in right]
    drawn = np.mean([low <= accuracy <= high for low, high in bounds])
    exact = bench.coverage(bench.over_roots, 4, 4, [accuracy], [deviation]).item()
    assert drawn == pytest.approx(exact, abs=0.02)
    total = bench.probabilities(bench.outcomes(4, 4), 4, accuracy, deviation).sum()
    assert total == pytest.approx(1)


def test_intervals_made_anew_are_those_of_the_evaluation_and_nothing_else_changes(tmp_path):
    common = {"experiment": "e", "setting": "full", "method": "l1/path", "condition": STANDARD, "seed": 0}
    children = [f"p{number % 4}.full.{number:03d}" for number in range(24)]
    credits = np.random.default_rng(0).integers(0, 2, 24)
    outcomes = [
        common | {"child": child, "candidates": 4, "parent": "p0", "predicted": "p0", "tied": 1,
                  "overshoot": 0, "credit": float(credit)}
        for child, credit in zip(children, credits, strict=True)
    ]  # fmt: skip
    expected = pd.DataFrame(summarised(pd.DataFrame(outcomes))).assign(experiment="e", setting="full")
    stale = expected.assign(value=expected["value"].mask(expected["metric"].str.startswith("interval"), 0.5))
    order = ["setting", "method", "condition", "seed", "metric"]
    write_table(tmp_path / "e" / "outcomes.parquet", outcomes, OUTCOMES, ["child"])
    write_table(tmp_path / "e" / "edges.parquet", [], EDGES, ["child"])
    write_table(tmp_path / "expected.parquet", expected, RESULTS, order)
    write_table(tmp_path / "e" / "results.parquet", stale, RESULTS, order)
    write_intervals(tmp_path)
    found = read_table(tmp_path / "e" / "results.parquet", RESULTS)
    pd.testing.assert_frame_equal(found, read_table(tmp_path / "expected.parquet", RESULTS))
