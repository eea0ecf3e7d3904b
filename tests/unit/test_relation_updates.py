"""Weight updates and how much of one another network contains, against planted updates and numpy's SVD."""

import numpy as np
import pytest

from lineage.relation.direction.updates import Ancestor, WeightUpdate, shares_both_ways


def test_an_update_is_what_was_added_whatever_the_rest_was_scaled_by():
    generator = np.random.default_rng(0)
    ancestor = generator.normal(size=(96, 300))
    added = generator.normal(size=(96, 4)) @ generator.normal(size=(4, 300))
    found = Ancestor(ancestor).update_of(0.9 * ancestor + added)
    assert np.linalg.norm(found.values - added) < 0.1 * np.linalg.norm(added)
    assert found.size == pytest.approx(np.linalg.norm(added), rel=0.1)


def test_siblings_that_learnt_the_same_are_told_from_descendants_by_the_details():
    generator = np.random.default_rng(0)
    parent = generator.normal(size=(128, 400)) / 20
    learnt = generator.normal(size=(128, 16)) @ generator.normal(size=(16, 400)) / 40

    def trained(start, strength):
        return start + strength * learnt + generator.normal(size=start.shape) / 100

    early, late = trained(parent, 0.5), trained(parent, 1.0)
    update_of = Ancestor(parent).update_of
    assert update_of(early).shares_in(update_of(late))["weak"] < 0.2
    assert update_of(early).shares_in(update_of(trained(early, 0.5)))["weak"] > 0.9


def test_the_shares_are_means_and_medians_over_numpys_singular_directions():
    """V is built direction by direction from numpy's SVD, so each direction's share is known beforehand."""
    generator = np.random.default_rng(1)
    parent, child = generator.normal(size=(48, 90)), generator.normal(size=(48, 90))
    update = Ancestor(parent).update_of(child)
    left, strengths, right = np.linalg.svd(update.values, full_matrices=False)
    shares = generator.uniform(0, 1, 48)
    contains = Ancestor(np.zeros((48, 90))).update_of(left @ np.diag(shares * strengths) @ right)
    found = update.shares_in(contains)
    assert found["weak"] == pytest.approx(shares[24:].mean(), abs=1e-6)
    assert found["typical"] == pytest.approx(np.median(shares), abs=1e-6)
    assert found["whole"] == pytest.approx(np.average(shares, weights=strengths**2), abs=1e-6)


def test_a_network_that_added_nothing_has_no_update_to_contain():
    parent = np.random.default_rng(2).normal(size=(48, 90))
    update_of = Ancestor(parent).update_of
    assert shares_both_ways(update_of(0.5 * parent), update_of(parent + 1)) is None


def test_the_reverse_shares_are_those_of_the_networks_exchanged():
    generator = np.random.default_rng(3)
    update_of = Ancestor(generator.normal(size=(48, 90))).update_of
    first, second = (update_of(generator.normal(size=(48, 90))) for _ in range(2))
    forth, back = shares_both_ways(first, second)
    assert (back, forth) == shares_both_ways(second, first)


def test_whitening_leaves_little_of_what_siblings_learnt_alike_and_all_of_what_a_descendant_has():
    """Both updates share one strong direction: as it is, one sibling seems to contain the other."""
    generator = np.random.default_rng(4)
    parent = generator.normal(size=(64, 200))
    alike = np.outer(generator.normal(size=64), generator.normal(size=200)) / 4

    def trained(start):
        return start + alike + generator.normal(size=start.shape) / 50

    update_of, first = Ancestor(parent).update_of, trained(parent)
    of_sibling, _ = shares_both_ways(update_of(first), update_of(trained(parent)))
    of_descendant, _ = shares_both_ways(update_of(first), update_of(trained(first)))
    assert of_sibling["whole"] > 0.9
    assert of_sibling["white"] < 0.3
    assert of_descendant["white"] == pytest.approx(1, abs=0.2)


def test_an_update_that_is_above_rounding_in_no_direction_is_rounding():
    """Its norm is twice the limit, spread evenly over 128 directions of a sixth of the limit each."""
    even = np.linalg.qr(np.random.default_rng(5).normal(size=(256, 128)))[0].T
    update = WeightUpdate(even, rounding=np.sqrt(128) / 2)
    assert update.size > np.sqrt(128) / 2
    assert update.is_rounding
    assert not WeightUpdate(even, rounding=0.9).is_rounding
