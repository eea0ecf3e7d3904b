"""Mixtures against scipy's bounded least squares."""

import numpy as np
import pytest
from scipy.optimize import lsq_linear

from lineage.relation.mixture import Mixture, mixture


@pytest.mark.parametrize("seed", range(5))
def test_mixtures_are_those_of_scipys_bounded_least_squares(seed):
    generator = np.random.default_rng(seed)
    columns = generator.normal(size=(300, 4))
    target = columns @ [0.6, 0.4, 0, 0] + 0.3 * generator.normal(size=300)
    found = mixture(list("abcd"), columns.T @ columns, columns.T @ target, target @ target)
    expected = lsq_linear(columns, target, bounds=(0, np.inf)).x
    assert list(found.weights.values()) == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize(
    ("weights", "explained", "is_merge"),
    [
        ({"a": 0.6, "b": 0.4}, 0.9, True),
        ({"a": 0.98, "b": 0.02}, 0.9, False),
        ({"a": 0.4, "b": 0.3}, 0.9, False),
        ({"a": 0.6, "b": 0.4}, 0.5, False),
    ],
)
def test_a_merge_has_two_heavy_parents_whose_weights_add_up_and_explain_the_child(
    weights, explained, is_merge
):
    assert Mixture(weights, explained).is_merge is is_merge


def test_parents_come_heaviest_first_and_light_ones_not_at_all():
    assert list(Mixture({"a": 0.3, "b": 0.01, "c": 0.69}, 1.0).parents) == ["c", "a"]
