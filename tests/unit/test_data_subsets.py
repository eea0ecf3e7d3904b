"""Subsets of images, stratified by class, and probes."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lineage.data.images import stratified_subset
from lineage.data.probe import load_probe
from lineage.errors import UserError
from lineage.types.scoring import Data, Network, Probe


@given(st.lists(st.integers(0, 4), min_size=1, max_size=60), st.data())
def test_a_stratified_subset_is_as_even_as_the_classes_allow(labels, data):
    count, seed = data.draw(st.integers(0, len(labels))), data.draw(st.integers(0, 9))
    chosen = stratified_subset(np.array(labels), count, seed)
    assert len(chosen) == len(set(chosen.tolist())) == count
    drawn, there = Counter(labels[index] for index in chosen), Counter(labels)
    most = max(drawn.values(), default=0)
    assert all(drawn[label] >= min(there[label], most - 1) for label in there)


def test_a_stratified_subset_depends_on_the_seed_alone_and_grows_with_the_count():
    labels = np.repeat(np.arange(5), 40)
    chosen = stratified_subset(labels, 50, 3)
    assert np.array_equal(chosen, stratified_subset(labels, 50, np.random.default_rng(3)))
    assert set(chosen) != set(stratified_subset(labels, 50, 4))
    assert set(chosen) < set(stratified_subset(labels, 73, 3))
    assert not np.array_equal(chosen, np.sort(chosen))


def test_every_image_of_a_class_has_the_same_chance_to_be_drawn():
    labels = np.repeat([0, 1], [4, 8])
    drawn = Counter(int(index) for seed in range(2000) for index in stratified_subset(labels, 4, seed))
    assert all(abs(drawn[index] - 1000) < 120 for index in range(4))
    assert all(abs(drawn[index] - 500) < 100 for index in range(4, 12))


@pytest.mark.parametrize("count", [-1, 4])
def test_a_subset_larger_than_the_set_is_refused(count):
    with pytest.raises(UserError, match="expected a subset of 0 to 3 images"):
        stratified_subset(np.array([0, 1, 1]), count, 0)


def test_a_probe_of_more_images_than_there_are_is_told():
    probe = Probe(data=Data(source="sklearn:digits", split="all"), images=5000)
    with pytest.raises(
        UserError, match=r"probe\.images: expected at most 1797, .* sklearn:digits, but got 5000"
    ):
        load_probe(probe, Network(name="fc", image_size=8, channels=1))
