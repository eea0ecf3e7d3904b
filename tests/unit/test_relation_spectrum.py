"""How much of each singular direction is retained, where the answer is known in closed form."""

import numpy as np
import pytest

from lineage.relation.comparison import MOST_MATRICES, evenly
from lineage.relation.direction import measured
from lineage.relation.spectrum import Spectrum, bulk
from lineage.relation.updates import Ancestor


def random(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


def test_the_bulk_is_the_median_of_the_second_quarter():
    assert bulk(np.arange(64.0)) == np.median([*range(16, 32)]) == 23.5


@pytest.mark.parametrize("size", [1e-9, 1.0, 1e9])
def test_each_direction_is_retained_by_as_much_as_it_was_scaled(size):
    left, _, right = np.linalg.svd(random(40, 60), full_matrices=False)
    strengths, kept = size * np.linspace(2, 1, 40), np.linspace(0, 1, 40)
    values = left @ np.diag(strengths) @ right
    found = Spectrum(values).retained_by(left @ np.diag(strengths * kept) @ right)
    np.testing.assert_allclose(found, kept, atol=1e-9)


def test_directions_without_energy_retain_nothing():
    line = np.outer(random(40, seed=1), random(60, seed=2))
    found = Spectrum(line).retained_by(line)
    assert found[0] == pytest.approx(1)
    assert np.abs(found[1:]).max() < 0.01


@pytest.mark.parametrize("share", [0.2, 0.5])
def test_what_is_left_of_a_pruned_matrix_is_retained_whole(share):
    """A child of which weights were set to 0, and nothing else was done, has all of the rest."""
    candidate = random(64, 96)
    child = np.where(np.random.default_rng(1).random(candidate.shape) < share, 0, candidate)
    found = measured(candidate, child)
    assert (found.of_candidate, found.of_child) == pytest.approx((1, 1), abs=1e-9)


@pytest.mark.parametrize("rows", [48, 49])
def test_of_an_odd_number_of_directions_the_middle_one_counts_as_weaker(rows):
    """V holds a share of each of numpy's singular directions of the update, a known one."""
    update = Ancestor(random(rows, 90)).update_of(random(rows, 90, seed=1))
    left, strengths, right = np.linalg.svd(update.values, full_matrices=False)
    shares = np.arange(rows) / rows
    contains = Ancestor(np.zeros((rows, 90))).update_of(left @ np.diag(shares * strengths) @ right)
    assert update.share_in(contains) == pytest.approx(shares[rows // 2 :].mean(), abs=1e-6)


@pytest.mark.parametrize("count", [1, 12, 13, 40])
def test_matrices_are_chosen_from_the_first_to_the_last_in_equal_steps(count):
    chosen = evenly([*range(count)])
    assert len(chosen) == min(count, MOST_MATRICES)
    assert (chosen[0], chosen[-1]) == (0, count - 1)
    steps = np.diff(chosen)
    assert count == 1 or steps.max() - steps.min() <= 1
