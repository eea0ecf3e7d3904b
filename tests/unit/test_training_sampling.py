"""Which images a child is trained on: long tails, a few of each class, or all."""

import numpy as np
import pytest
from small_fine_tuning import images, model

from lineage.data.images import stratified_subset
from lineage.errors import UserError
from lineage.training.sampling import imbalanced_counts, training_images


@pytest.mark.parametrize("ratio", [1, 10, 100])
@pytest.mark.parametrize(("classes", "most"), [(10, 500), (100, 500), (3, 7), (1, 5)])
def test_an_exponential_tail_is_a_geometric_series(classes, most, ratio):
    counts = imbalanced_counts(kind="exponential", ratio=ratio, classes=classes, most=most)
    series = [most * (1 / ratio) ** (i / (classes - 1) if i else 0) for i in range(classes)]
    assert counts[0] == most
    np.testing.assert_allclose(counts, np.maximum(series, 1), atol=0.5 + 1e-9)
    assert list(counts) == sorted(counts, reverse=True)


def test_the_long_tail_of_cifar10_has_the_published_size():
    counts = imbalanced_counts(kind="exponential", ratio=100, classes=10, most=5000)
    assert abs(counts.sum() - 12406) <= 10  # CIFAR10-LT, Cui et al. 2019, which rounds down
    assert (counts[0], counts[-1]) == (5000, 50)


def test_a_step_has_two_heights():
    assert list(imbalanced_counts(kind="step", ratio=10, classes=4, most=50)) == [50, 50, 5, 5]
    assert list(imbalanced_counts(kind="step", ratio=10, classes=5, most=50)) == [50, 50, 50, 5, 5]
    assert list(imbalanced_counts(kind="step", ratio=100, classes=2, most=20)) == [20, 1]


@pytest.mark.parametrize("kind", ["exponential", "step"])
def test_the_images_drawn_are_thinned_out_in_an_order_of_classes_that_the_seed_decides(kind):
    of_training = images([number % 5 for number in range(500)])
    wanted = imbalanced_counts(kind=kind, ratio=20, classes=5, most=80)
    recipe = {"images": 400, "imbalance": {"kind": kind, "ratio": 20}}
    seen = set()
    for seed in range(20):
        chosen = training_images(model(seed, **recipe), of_training)
        counts = np.bincount(of_training.labels[chosen], minlength=5)
        assert sorted(counts) == sorted(wanted)
        assert len(set(chosen)) == len(chosen)
        assert set(chosen) <= set(stratified_subset(of_training.labels, 400, seed))
        np.testing.assert_array_equal(chosen, training_images(model(seed, **recipe), of_training))
        seen.add(tuple(counts))
    assert len(seen) > 1


def test_few_shot_takes_as_many_of_each_class_whatever_their_sizes():
    of_training = images([0] * 40 + [1] * 7 + [2] * 5)
    chosen = training_images(model(images_per_class=5), of_training)
    assert list(np.bincount(of_training.labels[chosen])) == [5, 5, 5]


def test_without_a_number_all_images_are_used():
    assert sorted(training_images(model(), images([0, 1, 1]))) == [0, 1, 2]


@pytest.mark.parametrize(
    ("recipe", "told"),
    [
        ({"images_per_class": 6}, r"images_per_class: expected at least 6 .*'class 1'.*there are 3"),
        ({"images": 13, "imbalance": {"kind": "exponential", "ratio": 1}}, r"imbalance: .*'class 1'"),
    ],
)
def test_a_class_with_too_few_images_is_named(recipe, told):
    with pytest.raises(UserError, match=told):
        training_images(model(**recipe), images([0] * 10 + [1] * 3))
