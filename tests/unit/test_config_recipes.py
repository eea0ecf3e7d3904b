"""Ways to train: which reach the recipes of roots and children, and which cannot go together."""

import copy
import re

import pytest
from smallest_config import DATA, SMALLEST, TOY, complaint, with_value, zoos

from lineage.errors import UserError
from lineage.experiment.config import weight_files
from lineage.types.recipe import Recipe
from lineage.types.scoring import Data


def test_ways_to_fine_tune_reach_the_recipes_of_the_setting_alone():
    ways = {"imbalance": {"kind": "step", "ratio": 10}, "dropout": 0.2, "freeze": ["layer1"], "l2_sp": 0.1}
    config = with_value(f"{TOY}.settings.other", SMALLEST["experiments"]["toy"]["settings"]["full"] | ways)
    (zoo,) = zoos(config)
    plain, other = (zoo.children(setting)[0].recipe for setting in ("full", "other"))
    assert other.plain() == plain.plain() | ways
    assert set(plain.plain()) == {
        "data",
        "batch_size",
        "momentum",
        "weight_decay",
        "learning_rate",
        "epochs",
        "images",
    }


def test_ways_to_train_reach_the_recipes_of_roots_and_children():
    ways = {"optimizer": "adamw", "schedule": {"every": 2, "factor": 0.1}, "warm_up": 0.5, "accumulate": 2}
    ways |= {"layer_decay": 0.75, "label_smoothing": 0.1, "augmentation": ["crop", "flip"], "workers": 2}
    toy = SMALLEST["experiments"]["toy"]
    config = with_value(f"{TOY}.settings.full", toy["settings"]["full"] | ways)
    config["experiments"]["toy"]["roots"] |= ways
    (before,), (after,) = zoos(copy.deepcopy(SMALLEST)), zoos(config)
    pairs = [(zoo.roots[0], zoo.children("full")[0]) for zoo in (before, after)]
    for plain, changed in zip(*pairs, strict=True):
        assert changed.recipe.plain() == plain.recipe.plain() | ways
        assert Recipe.of(changed.recipe.plain()) == changed.recipe


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("settings.full.warm_up", 99, "settings.full.warm_up: expected less than the epochs"),
        ("roots.warm_up", 99, "roots.warm_up: expected less than the epochs"),
        ("settings.full.workers", 2, "settings.full.workers: expected with augmentation"),
        (
            "settings.full.schedule",
            "exponential",
            "expected cosine, linear, or {every: epochs, factor: number}",
        ),
        ("settings.full.augmentation", ["blur"], "expected one of flip, crop"),
        ("roots.optimizer", "lion", "expected one of sgd, adam, adamw"),
        ("roots.layer_decay", 1, "expected less than 1"),
    ],
)
def test_ways_to_train_that_do_not_fit_are_told(key, value, told):
    assert told in complaint(with_value(f"{TOY}.{key}", value))


@pytest.mark.parametrize("other", [{"freeze": "linear-probe"}, {"l2_sp": 0.1}])
def test_low_rank_adaptation_excludes_what_it_implies(other):
    setting = SMALLEST["experiments"]["toy"]["settings"]["full"]
    adapted = setting | {"lora": {"rank": 2, "alpha": 4}}
    assert zoos(with_value(f"{TOY}.settings.full", copy.deepcopy(adapted)))
    assert f"lora: expected without {next(iter(other))}" in complaint(
        with_value(f"{TOY}.settings.full", adapted | other)
    )


@pytest.mark.parametrize(
    ("roots", "key"),
    [
        ({"epochs": 0}, "epochs"),
        ({"match": "order"}, "match"),
        ({"freeze": "linear-probe"}, "freeze"),
        ({"weights": "a.pth", "epochs": 0}, "count"),
        ({"weights": ["a.pth"], "freeze": "linear-probe"}, "count"),
        ({"weights": []}, "weights"),
    ],
)
def test_roots_that_would_be_random_or_alike_though_still_are_refused(roots, key):
    given = SMALLEST["experiments"]["toy"]["roots"]
    assert f"roots.{key}" in complaint(with_value(f"{TOY}.roots", given | roots))


def test_each_root_takes_a_file_of_weights_in_turn():
    roots = SMALLEST["experiments"]["toy"]["roots"] | {"count": 3, "weights": ["a.pth", "b.pth"]}
    (zoo,) = zoos(with_value(f"{TOY}.roots", roots))
    assert [root.recipe.weights for root in zoo.roots] == ["a.pth", "b.pth", "a.pth"]


def starting_from(weights: str | None) -> Recipe:
    return Recipe(data=Data(source="sklearn:digits"), learning_rate=0.1, epochs=1, weights=weights)


def test_a_missing_file_of_weights_is_told_before_anything_runs(tmp_path):
    (tmp_path / "a.pth").touch()
    assert weight_files(starting_from(str(tmp_path / "a.pth"))) == [str(tmp_path / "a.pth")]
    assert weight_files(starting_from("hub")) == weight_files(starting_from(None)) == []
    with pytest.raises(UserError, match=r"b\.pth: expected a file of weights"):
        weight_files(starting_from(str(tmp_path / "b.pth")))


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("settings.full.dropout", 0.1, "settings.full.dropout: expected with classification only"),
        ("probe.data", DATA, "probe.data: expected parquet:<file>"),
        ("roots.data", {"source": "parquet:a", "classes": [0, 1]}, "roots.data: .*without classes"),
    ],
)
def test_a_segmentation_has_no_classes_of_whole_images(key, value, told):
    masked = {"source": "parquet:a.parquet"}
    config = with_value(f"{TOY}.network.task", "segmentation")
    toy = config["experiments"]["toy"]
    for recipe in (toy["roots"], toy["settings"]["full"], toy["probe"]):
        recipe["data"] = dict(masked)
    assert zoos(copy.deepcopy(config))
    *keys, last = key.split(".")
    place = toy
    for part in keys:
        place = place[part]
    place[last] = value
    assert re.search(told, complaint(config))


@pytest.mark.parametrize("name", ["VOCSegmentation", "VOCDetection"])
def test_a_classifier_is_not_trained_on_masks_or_boxes(name):
    config = with_value(f"{TOY}.probe.data", {"source": f"torchvision:{name}"})
    assert "probe.data: expected images with a class each" in complaint(config)
