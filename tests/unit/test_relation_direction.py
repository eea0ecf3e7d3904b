"""Which of two matrices is the ancestor, on planted relations."""

import numpy as np
import pytest
from small_networks import learnt

from lineage.relation.direction import Direction, Reading, measured, overall, position, retention


def test_retention_and_position_of_a_planted_parent_child_and_sibling():
    generator = np.random.default_rng(0)
    origin = generator.normal(size=(128, 400)) / 20
    parent = origin + 3 * learnt(generator, 128, 400)
    child = 0.97 * parent + 3 * learnt(generator, 128, 400)
    sibling = origin + 3 * learnt(generator, 128, 400)
    assert retention(parent, child) == pytest.approx(1, abs=0.03)
    assert retention(child, parent) < 0.8
    assert position(parent, child) == pytest.approx(0, abs=0.1)
    assert position(child, parent) == pytest.approx(1, abs=0.15)
    assert position(parent, sibling) == pytest.approx(0.5, abs=0.2)
    assert measured(parent, child).reading == "candidate first"
    assert measured(child, parent).reading == "child first"
    assert measured(parent, sibling).reading == "unclear"


@pytest.mark.parametrize("scale", [0.5, 2.0])
def test_retention_and_position_do_not_depend_on_weight_decay(scale):
    generator = np.random.default_rng(1)
    parent = generator.normal(size=(96, 200)) / 14 + 3 * learnt(generator, 96, 200)
    child = parent + 3 * learnt(generator, 96, 200)
    straight, scaled = measured(parent, child), measured(parent, scale * child)
    assert scaled.of_candidate == pytest.approx(straight.of_candidate, rel=1e-6)
    assert scaled.of_child == pytest.approx(straight.of_child, rel=1e-6)
    assert scaled.reading is Reading.CANDIDATE_FIRST


def test_a_pruned_child_is_read_as_the_child():
    generator = np.random.default_rng(2)
    parent = generator.normal(size=(96, 200)) / 14 + 3 * learnt(generator, 96, 200)
    child = parent + 3 * learnt(generator, 96, 200)
    pruned = np.where(np.abs(child) < np.median(np.abs(child)), 0, child)
    assert measured(parent, pruned).reading is Reading.CANDIDATE_FIRST


def test_small_matrices_and_unrelated_ones_say_nothing():
    generator = np.random.default_rng(3)
    assert measured(generator.normal(size=(31, 200)), generator.normal(size=(31, 200))) is None
    assert overall([(None, 5)]) is None


def test_matrices_count_by_size_for_retention_and_equally_for_position():
    found = overall([(Direction(1.0, 0.5, 0.0), 1), (Direction(0.0, 0.1, 0.2), 3), (None, 9)])
    assert (found.of_candidate, found.of_child, found.position) == pytest.approx((0.25, 0.2, 0.1))
