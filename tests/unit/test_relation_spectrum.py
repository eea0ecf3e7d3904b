"""How much of each singular direction is retained, where the answer is known in closed form."""

import numpy as np
import pytest

from lineage.relation.comparison import MOST_MATRICES, evenly
from lineage.relation.spectrum import Spectrum, bulk


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


def test_planted_directions_count_as_learnt_and_random_entries_do_not():
    left, _, right = np.linalg.svd(random(100, 150), full_matrices=False)
    planted = random(100, 150, seed=3) + 60 * left[:, :7] @ right[:7]
    assert Spectrum(planted).learnt(1.05) == 0.07
    assert Spectrum(random(100, 150, seed=4)).learnt(1.05) == 0


@pytest.mark.parametrize("count", [1, 12, 13, 40])
def test_matrices_are_chosen_from_the_first_to_the_last_in_equal_steps(count):
    chosen = evenly([*range(count)])
    assert len(chosen) == min(count, MOST_MATRICES)
    assert (chosen[0], chosen[-1]) == (0, count - 1)
    steps = np.diff(chosen)
    assert count == 1 or steps.max() - steps.min() <= 1
