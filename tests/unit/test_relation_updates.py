"""Weight updates and how much of one another network contains, against planted updates and numpy's SVD."""

import numpy as np
import pytest

from lineage.relation.direction.updates import Ancestor


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
    assert update_of(early).share_in(update_of(late)) < 0.2
    assert update_of(early).share_in(update_of(trained(early, 0.5))) > 0.9


def test_the_share_is_the_mean_over_the_weaker_half_of_numpys_singular_directions():
    """V is built direction by direction from numpy's SVD, so each direction's share is known beforehand."""
    generator = np.random.default_rng(1)
    parent, child = generator.normal(size=(48, 90)), generator.normal(size=(48, 90))
    update = Ancestor(parent).update_of(child)
    left, strengths, right = np.linalg.svd(update.values, full_matrices=False)
    shares = generator.uniform(0, 1, 48)
    contains = Ancestor(np.zeros((48, 90))).update_of(left @ np.diag(shares * strengths) @ right)
    assert update.share_in(contains) == pytest.approx(shares[24:].mean(), abs=1e-6)


def test_a_network_that_added_nothing_has_no_update_to_contain():
    parent = np.random.default_rng(2).normal(size=(48, 90))
    update_of = Ancestor(parent).update_of
    assert np.isnan(update_of(0.5 * parent).share_in(update_of(parent + 1)))
