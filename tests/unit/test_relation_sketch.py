"""Sketches against the inner products they stand for, and each reason that a matrix is not tested."""

import numpy as np
import pytest
from fixed_parts import DIAGONAL, ORDERED, alibi, dirac
from scipy.stats import norm, rankdata
from small_networks import learnt

from lineage.relation.permutation_test import row_test
from lineage.relation.sketch import FARTHEST, Reason, Untestable, chosen_rows, order_of, ranks_of, sketch


def test_a_sketch_keeps_inner_products_on_average():
    generator = np.random.default_rng(0)
    values = generator.normal(size=(200, 3000)).astype(np.float32)
    folded = sketch(values).astype(np.float64)
    centred = values - values.mean(0)
    centred /= np.linalg.norm(centred, axis=1, keepdims=True)
    error = folded @ folded.T - centred @ centred.T
    assert abs(error.mean()) < 1e-3
    assert error.std() < 1.5 / np.sqrt(128)


def random(*shape) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (random(15, 40), Reason.FEW_ROWS),
        (random(40, 3), Reason.FEW_COLUMNS),
        (np.ones((40, 40), np.float32), Reason.CONSTANT),
        (np.cumsum(random(64, 40), 0), Reason.ORDERED),
        (random(64, 40) * np.linspace(1, 9, 64, dtype=np.float32)[:, None], Reason.ORDERED),
        (random(64, 64) + 9 * np.eye(64, dtype=np.float32), Reason.DIAGONAL),
    ],
)
def test_a_matrix_whose_rows_are_not_exchangeable_has_no_sketch_but_a_reason(values, reason):
    assert sketch(values).reason is reason


def test_a_reason_is_said_with_its_number():
    assert str(sketch(random(15, 40))) == "only 15 rows"


def test_a_matrix_that_training_made_has_a_sketch_of_unit_rows():
    generator = np.random.default_rng(1)
    found = sketch((random(64, 100) + learnt(generator, 64, 100)).astype(np.float32))
    assert np.linalg.norm(found.astype(np.float64), axis=1) == pytest.approx(1, abs=2e-3)


@pytest.mark.parametrize("count", [256, 257, 1000, 100_000])
def test_the_rows_of_a_sketch_are_spread_over_the_matrix_and_none_is_taken_twice(count):
    rows = chosen_rows(count)
    assert len(rows) == len(set(rows)) <= 256
    assert (rows[0], rows[-1]) == (0, count - 1)
    assert np.diff(rows).max() <= max(8, count / 31)


@pytest.mark.parametrize("shape", [(30, 20), (30, 128), (20, 3, 3, 3)])
def test_the_sketch_of_a_small_matrix_is_its_centred_rows_of_norm_1(shape):
    values = random(*shape)
    rows = values.reshape(len(values), -1)
    centred = rows - rows.mean(0)
    expected = centred / np.linalg.norm(centred, axis=1, keepdims=True)
    found = sketch(values)
    assert found.dtype == np.float16
    np.testing.assert_allclose(found, expected, atol=1e-3)


@pytest.mark.parametrize("name", ORDERED)
def test_rows_of_a_fixed_transform_have_an_order(name):
    assert sketch(ORDERED[name].astype(np.float32)).reason in {Reason.ORDERED, Reason.DIAGONAL}


@pytest.mark.parametrize("noise", [0.0, 0.01, 0.3, 1.0])
@pytest.mark.parametrize("name", DIAGONAL)
def test_a_diagonal_of_any_shape_stands_out_after_training_too(name, noise):
    """Training is noise of up to the size of the diagonal's own rows."""
    values = DIAGONAL[name]
    change = np.random.default_rng(0).normal(size=values.shape) / np.sqrt(values[0].size)
    assert sketch((values + noise * change).astype(np.float32)).reason in {Reason.DIAGONAL, Reason.ORDERED}


@pytest.mark.parametrize("groups", [2, 3, 4])
def test_diagonals_of_groups_are_seen_by_the_places_of_their_entries(groups):
    values = dirac(96, 16, 3, groups) + 0.01 * random(96, 16, 3, 3)
    assert sketch(values.astype(np.float32)).reason in {Reason.DIAGONAL, Reason.ORDERED}


def test_multiples_of_one_row_are_no_rows_of_their_own():
    assert sketch(alibi(16, 32).astype(np.float32)).reason is Reason.MULTIPLES


def test_the_order_of_sorted_numbers_is_seen_and_so_is_one_that_repeats():
    assert order_of(np.arange(16.0)[None]) > 6
    assert order_of(np.tile(random(8), 4)[None]) > 6
    assert order_of(np.ones((1, 32))) == 0


@pytest.mark.parametrize("sd", [2.5, 3.0])
def test_a_random_order_looks_ordered_about_as_often_as_all_distances_together_allow(sd):
    generator, count = np.random.default_rng(0), 40
    found = [order_of(generator.permutation(count).astype(float)[None]) for _ in range(1500)]
    assert np.mean(np.array(found) >= sd) <= 2 * min(count // 2, FARTHEST) * norm.sf(sd)


EXCHANGEABLE = {
    "normal": lambda g, n, m: g.normal(size=(n, m)),
    "sparse": lambda g, n, m: g.normal(size=(n, m)) * (g.random((n, m)) < 0.1),
    "integer": lambda g, n, m: g.integers(-3, 4, (n, m)),
    "heavy tails": lambda g, n, m: g.standard_cauchy((n, m)),
    "correlated": lambda g, n, m: g.normal(size=(n, 3)) @ g.normal(size=(3, m)) + 0.3 * g.normal(size=(n, m)),
    "duplicated rows": lambda g, n, m: g.normal(size=(n // 2, m))[g.integers(0, n // 2, n)],
    "dead rows": lambda g, n, m: g.normal(size=(n, m)) * (g.random((n, 1)) < 0.8),
    "rows of all sizes": lambda g, n, m: g.normal(size=(n, m)) * np.exp(2 * g.normal(size=(n, 1))),
    "columns of all sizes": lambda g, n, m: g.normal(size=(n, m)) * np.exp(2 * g.normal(size=m)),
    "smooth rows": lambda g, n, m: np.cumsum(g.normal(size=(n, m)), 1),
    "learnt": lambda g, n, m: g.normal(size=(n, m)) / np.sqrt(m) + learnt(g, n, m),
    "kernels": lambda g, n, m: g.normal(size=(n, m // 8, 3, 3)),
}
"""Makes matrices whose rows come in no order: from a generator, rows and columns."""


@pytest.mark.parametrize("kind", EXCHANGEABLE)
def test_independent_matrices_of_free_rows_are_tested_and_hardly_ever_dependent(kind):
    """The whole way from values to a p-value, of 200 pairs a kind: at most 1 % with p ≤ 0.01, few left out."""
    generator = np.random.default_rng(list(EXCHANGEABLE).index(kind))
    left_out = dependent = 0
    for _ in range(200):
        rows, columns = generator.choice([16, 24, 48, 96]), generator.choice([16, 40, 100])
        pair = [sketch(EXCHANGEABLE[kind](generator, rows, columns).astype(np.float32)) for _ in range(2)]
        if any(isinstance(found, Untestable) for found in pair):
            left_out += 1
        else:
            candidate, child = (found.astype(np.float32) for found in pair)
            dependent += row_test(candidate, child).log10_p <= -2
    assert dependent <= 2
    assert left_out <= 10


@pytest.mark.parametrize(("rows", "columns", "values"), [(1, 1, 5), (3, 16, 4), (9, 256, 10**6), (0, 20, 3)])
def test_ranks_are_those_of_scipy(rows, columns, values):
    drawn = np.random.default_rng(rows).integers(0, values, (rows, columns)).astype(float)
    assert np.array_equal(ranks_of(drawn), rankdata(drawn, axis=1) if rows else drawn)
