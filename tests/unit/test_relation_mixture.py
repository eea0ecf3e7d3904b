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


def mixed(names: str, columns: np.ndarray, child: np.ndarray) -> Mixture:
    return mixture(list(names), columns.T @ columns, columns.T @ child, child @ child)


@pytest.mark.parametrize("count", [2, 6, 12])
def test_orthogonal_descendants_cancel_nothing_however_many(count):
    """Closed form: of C + δ_k with equal orthogonal δ_k, the best mixture is the mean, and left is 1."""
    basis = np.eye(count + 1)
    child = 3 * basis[0]
    found = mixed("abcdefghijkl"[:count], child[:, None] + basis[:, 1:], child)
    assert sum(found.weights.values()) == pytest.approx(1, abs=0.15)
    assert found.left == pytest.approx(1, abs=0.1)
    assert not found.is_merge


@pytest.mark.parametrize("weight", [0.5, 0.8, 0.9])
@pytest.mark.parametrize(("trained", "is_merge"), [(0.0, True), (0.02, True), (0.5, False)])
def test_what_is_left_of_a_merge_is_what_it_learnt_since(weight, trained, is_merge):
    """Closed form: left is τ² / Σ w_k² (‖a_k − merge‖² + τ²), τ being learnt in a direction of its own."""
    first, second, own = np.eye(3)
    merge = weight * first + (1 - weight) * second
    size = trained * weight * (1 - weight) * 2**0.5
    found = mixed("ab", np.stack([first, second], 1), merge + size * own)
    alone = sum(
        w**2 * (np.sum((part - merge) ** 2) + size**2) for w, part in ((weight, first), (1 - weight, second))
    )
    assert found.left == pytest.approx(size**2 / alone, abs=1e-9)
    assert found.is_merge is is_merge


@pytest.mark.parametrize(
    ("weights", "left", "is_merge"),
    [
        ({"a": 0.6, "b": 0.4}, 0.01, True),
        ({"a": 0.98, "b": 0.02}, 0.01, False),
        ({"a": 0.4, "b": 0.3}, 0.01, False),
        ({"a": 0.6, "b": 0.4}, 0.5, False),
    ],
)
def test_a_merge_has_two_heavy_parents_whose_weights_add_up_and_whose_differences_cancel(
    weights, left, is_merge
):
    assert Mixture(weights, left).is_merge is is_merge


def test_parents_come_heaviest_first_and_light_ones_not_at_all():
    assert list(Mixture({"a": 0.3, "b": 0.01, "c": 0.69}, 0.0).parents) == ["c", "a"]
