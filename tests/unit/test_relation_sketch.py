"""Sketches against the inner products they stand for, and each reason that a matrix is not tested."""

import numpy as np
import pytest
from small_networks import learnt

from lineage.relation.sketch import Reason, chosen_rows, sketch


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


@pytest.mark.parametrize("columns", [33, 200])
def test_rows_that_are_equally_far_from_each_other_have_no_order(columns):
    assert len(sketch(np.eye(32, columns, dtype=np.float32))) == 32
