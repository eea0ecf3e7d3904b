"""Images that need no file of one's own: embedded ones, scikit-learn's digits, noise."""

import json
from collections import Counter

import numpy as np
import pyarrow.parquet as pq
import pytest
import scipy.stats
from labelled_pictures import complaint, load
from sklearn.datasets import load_digits

from lineage.data.source_files import source_files


@pytest.mark.parametrize(("split", "per_class"), [("train", 600), ("test", 100)])
def test_the_embedded_fashion_mnist_is_stratified_shuffled_and_whole(split, per_class):
    images = load("embedded:fashion-mnist", split=split)
    assert Counter(images.labels.tolist()) == dict.fromkeys(range(10), per_class)
    assert images.pixels.shape == (10 * per_class, 28, 28, 1)
    assert len(set(images.ids)) == 10 * per_class
    assert set(images.labels[:100].tolist()) == set(range(10))
    assert (images.class_names[0], images.class_names[9]) == ("T-shirt/top", "Ankle boot")


def test_the_embedded_metadata_tells_hugging_face_what_the_columns_are():
    (path,) = source_files("embedded:fashion-mnist", "test")
    metadata = pq.read_schema(path).metadata
    features = json.loads(metadata[b"huggingface"])["info"]["features"]
    assert features["image"] == {"_type": "Image"}
    assert features["label"] == {"_type": "ClassLabel", "names": json.loads(metadata[b"class_names"])}


def test_embedded_data_that_are_not_there_are_answered_with_those_that_are():
    assert "fashion-mnist test, fashion-mnist train" in complaint("embedded:fashion-mnist", split="valid")
    assert "fashion-mnist test, fashion-mnist train" in complaint("embedded:imagenet")


def test_all_digits_are_those_of_scikit_learn_scaled_to_255():
    digits, images = load_digits(), load("sklearn:digits", split="all")
    assert abs(images.pixels[..., 0] / 255 * 16 - digits.images).max() < 16 / 255
    assert images.pixels.max() == 255
    assert images.labels.tolist() == digits.target.tolist()
    assert images.class_names == list("0123456789")


def test_noise_is_uniform_and_the_same_each_time():
    images, again, other = (load("noise:uniform", split=split, size=9) for split in ("a", "a", "b"))
    assert (images.pixels == again.pixels).all()
    assert (images.pixels != other.pixels).any()
    counts = np.bincount(images.pixels.ravel(), minlength=256)
    assert scipy.stats.chisquare(counts).pvalue > 1e-3
    assert "noise:uniform: expected a size" in complaint("noise:uniform", size=None)
    assert "expected noise:uniform" in complaint("noise:normal")


def test_the_digits_split_into_a_fifth_for_test_and_the_rest_by_class():
    parts = {split: load("sklearn:digits", split=split) for split in ("all", "train", "test")}
    assert sorted(parts["train"].ids + parts["test"].ids) == parts["all"].ids
    for label in range(10):
        whole, test = ((parts[split].labels == label).sum() for split in ("all", "test"))
        assert test == whole // 5
    assert "expected split all, train or test, got 'valid'" in complaint("sklearn:digits", split="valid")
