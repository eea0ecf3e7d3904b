"""What a configuration becomes, and what its mistakes are told as."""

import copy
import re
from pathlib import Path

import pytest
import yaml

from lineage.errors import UserError
from lineage.experiment.config import checked, experiments_of, weight_files
from lineage.experiment.zoo import Zoo
from lineage.types.recipe import Recipe
from lineage.types.scoring import Data

REPOSITORY = Path(__file__).parents[2]
DATA = {"source": "sklearn:digits"}
SMALLEST = {
    "experiments": {
        "toy": {
            "network": {"name": "fc", "image_size": 8, "channels": 1},
            "roots": {"count": 2, "data": DATA, "learning_rate": 0.1, "epochs": 1},
            "settings": {
                "full": {
                    "children": 4,
                    "data": DATA,
                    "grid": {"learning_rate": [0.1], "epochs": [1], "images": [10]},
                }
            },
            "probe": {"data": DATA, "images": 8},
        }
    }
}
TOY = "experiments.toy"


def with_value(path: str, value: object) -> dict:
    """The smallest configuration with one value set, at keys joined by dots."""
    config = copy.deepcopy(SMALLEST)
    *keys, last = path.split(".")
    place = config
    for key in keys:
        place = place.setdefault(key, {})
    place[last] = value
    return config


def zoos(config: dict) -> list[Zoo]:
    return [Zoo(experiment) for experiment in experiments_of(checked(config, origin="mine.yaml")).values()]


def complaint(config: dict) -> str:
    with pytest.raises(UserError) as caught:
        zoos(config)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_missing_keys_get_the_documented_defaults():
    config = checked(copy.deepcopy(SMALLEST))
    toy = config["experiments"]["toy"]
    assert (config["device"], config["threads"]) == ("auto", 1)
    assert (toy["seed"], toy["seeds"], toy["block_size"]) == (0, 3, 8)
    assert toy["split"] == {"train": 7, "validation": 1, "test": 2}
    assert toy["settings"]["full"]["parents"] == "roots"
    assert toy["similarity"]["alphas"] == [0.1, 0.25, 0.5, 1.0]
    for trained in (toy["roots"], toy["settings"]["full"]):
        assert (trained["batch_size"], trained["momentum"], trained["weight_decay"]) == (64, 0.9, 0)


def test_given_keys_win_over_defaults():
    config = checked(with_value(f"{TOY}.split.test", 5))
    assert config["experiments"]["toy"]["split"] == {"train": 7, "validation": 1, "test": 5}


def test_experiments_do_not_share_their_defaults():
    config = copy.deepcopy(SMALLEST)
    config["experiments"]["other"] = copy.deepcopy(SMALLEST["experiments"]["toy"])
    toy, other = checked(config)["experiments"].values()
    toy["similarity"]["alphas"].clear()
    toy["split"]["test"] = 99
    assert other["similarity"]["alphas"]
    assert other["split"]["test"] == 2


def test_checking_twice_changes_nothing():
    once = checked(copy.deepcopy(SMALLEST))
    assert checked(copy.deepcopy(once)) == once


def test_alphas_are_sorted():
    config = checked(with_value(f"{TOY}.similarity.alphas", [1, 0.5, 0.25]))
    assert config["experiments"]["toy"]["similarity"]["alphas"] == [0.25, 0.5, 1.0]


def test_named_data_come_from_the_folder_given_else_from_torchvision():
    for folder, source, download in [
        ({}, "torchvision:CIFAR10", True),
        ({"data": "../there"}, "parquet:../there/cifar10-{split}.parquet", False),
    ]:
        config = checked(
            with_value(f"{TOY}.roots.data", {"source": "named:cifar10", "split": "test"}) | folder
        )
        found = config["experiments"]["toy"]["roots"]["data"]
        assert (found["source"], found["download"], found["split"]) == (source, download, "test")
        assert config["experiments"]["toy"]["probe"]["data"]["source"] == "sklearn:digits"
        assert checked(copy.deepcopy(config)) == config
    assert "expected one of mnist" in complaint(with_value(f"{TOY}.roots.data", {"source": "named:svhn"}))


@pytest.mark.parametrize(
    "name", ["config", "conditions", "hard", "offline", "pretrained", "segmentation", "detection", "paper"]
)
def test_the_committed_configurations_are_valid(name):
    config = checked(yaml.safe_load((REPOSITORY / "config" / f"{name}.yaml").read_text()) | {"data": "there"})
    for experiment in experiments_of(config).values():
        assert Zoo(experiment).roots


@pytest.mark.parametrize(
    "where",
    [
        "",
        TOY,
        *(f"{TOY}.{part}" for part in ("network", "roots", "roots.data", "settings.full", "probe")),
        *(f"{TOY}.{part}" for part in ("settings.full.grid", "similarity", "detector", "split")),
    ],
)
def test_an_unknown_key_is_named_with_its_place(where):
    told = complaint(with_value(f"{where}.colour".removeprefix("."), "red"))
    assert told.startswith(f"mine.yaml: {where or 'top level'}: ")
    assert "'colour'" in told


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("device", "tpu"),
        ("threads", 0),
        (f"{TOY}.network.channels", 2),
        (f"{TOY}.network.image_size", 7.5),
        (f"{TOY}.roots.count", 0),
        (f"{TOY}.roots.epochs", 2.0),
        (f"{TOY}.roots.epochs", True),
        (f"{TOY}.roots.learning_rate", "fast"),
        (f"{TOY}.roots.learning_rate", 0),
        (f"{TOY}.roots.learning_rate", float("nan")),
        (f"{TOY}.roots.momentum", 1),
        (f"{TOY}.roots.data.source", "digits"),
        (f"{TOY}.settings.full.children", 0),
        (f"{TOY}.settings.full.children", 2),
        (f"{TOY}.settings.full.children", {"p0": 5}),
        (f"{TOY}.settings.full.children", {"default": 5, "p0": 1}),
        (f"{TOY}.settings.full.children", {"default": 5, "p7": 5}),
        (f"{TOY}.settings.full.grid.images", []),
        (f"{TOY}.settings.full.parents", "nowhere"),
        (f"{TOY}.settings.full.parents", "full"),
        (f"{TOY}.settings.full.images_per_class", 0),
        (f"{TOY}.settings.full.images_per_class", 5),
        (f"{TOY}.settings.full.imbalance", {"kind": "linear", "ratio": 10}),
        (f"{TOY}.settings.full.imbalance", {"kind": "step", "ratio": 0.5}),
        (f"{TOY}.settings.full.dropout", 1),
        (f"{TOY}.settings.full.early_stopping", {"patience": 2}),
        (f"{TOY}.settings.full.freeze", "all"),
        (f"{TOY}.settings.full.lora", {"rank": 0, "alpha": 1}),
        (f"{TOY}.similarity.alphas", [0.5, 1.5]),
        (f"{TOY}.similarity.alphas", [0]),
        (f"{TOY}.similarity.approximations", ["straight"]),
        (f"{TOY}.detector.width", 6),
        (f"{TOY}.split.test", -1),
    ],
)
def test_a_bad_value_is_told_with_its_key(key, value):
    assert key.removeprefix("experiments.toy.") in complaint(with_value(key, value))


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("device", "gpu0", ["auto, cpu, cuda", "'gpu0'"]),
        ("threads", 0, ["at least 1", "0"]),
        ("experiment", {}, ["experiments", "'experiment'"]),
        (f"{TOY}.roots.epochs", "many", ["integer", "'many'"]),
        (f"{TOY}.settings.full.children", 0, ["at least 1", "0"]),
        (f"{TOY}.settings.full.children", 2, ["at least 3", "2"]),
        (f"{TOY}.settings.full.children", {"default": 3, "p9": 4}, ["p0", "'p9'"]),
        (f"{TOY}.settings.full.epochs", 3, ["'epochs'", "children", "grid"]),
        (f"{TOY}.settings.full.parents", "nope", ["roots", "'nope'"]),
        (f"{TOY}.similarity.alphas", [0, 0.5], ["more than 0", "0"]),
        (f"{TOY}.similarity.alphas", [0.5, 1.5], ["at most 1", "1.5"]),
        (f"{TOY}.similarity.alphas", [1], ["below 1", "path"]),
        (f"{TOY}.similarity.similarities", ["l1", "nope"], ["weight_l2", "'nope'"]),
        (f"{TOY}.similarity.approximations", ["nope"], ["linear", "'nope'"]),
        (f"{TOY}.network.name", "nope", ["fc", "'nope'"]),
        (f"{TOY}.probe.data", {"source": "web:images"}, ["data.source", "embedded", "'web:images'"]),
    ],
)
def test_a_mistake_is_told_with_its_place_what_was_expected_and_what_came(key, value, words):
    told = complaint(with_value(key, value))
    assert told.startswith("mine.yaml: ")
    assert [word for word in [key.removesuffix(".epochs"), *words] if word not in told] == []


def test_a_detector_looks_at_layers_that_are_tapped():
    config = with_value(f"{TOY}.similarity.layers", ["layer2", "layer3"])
    config["experiments"]["toy"]["detector"] = {"layers": ["layer1"]}
    told = complaint(config)
    assert f"mine.yaml: {TOY}.detector.layers" in told
    assert "layer2" in told
    assert "'layer1'" in told


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


@pytest.mark.parametrize("given", [{"mean": [0.5]}, {"mean": [0.5, 0.5], "std": [1, 1]}, {"std": [0]}])
def test_normalisation_needs_both_numbers_of_every_channel(given):
    network = SMALLEST["experiments"]["toy"]["network"]
    assert "network." in complaint(with_value(f"{TOY}.network", network | given))


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


def test_a_missing_key_is_named():
    config = copy.deepcopy(SMALLEST)
    del config["experiments"]["toy"]["probe"]
    told = complaint(config)
    assert TOY in told
    assert "'probe'" in told


def test_a_circle_of_settings_is_shown():
    config = with_value(f"{TOY}.settings.full.parents", "other")
    settings = config["experiments"]["toy"]["settings"]
    settings["other"] = settings["full"] | {"parents": "full"}
    assert "full -> other -> full" in complaint(config)


@pytest.mark.parametrize(
    ("detector", "told"),
    [
        ({"candidates": [99]}, "detector.candidates: expected at most"),
        ({"transfer": True}, "detector.transfer: expected two settings"),
        ({"transfer": True, "inputs": ["weights"]}, "detector.transfer: expected both among inputs"),
        ({"transfer_only": ["fulll"]}, "detector.transfer_only: expected some of full, but got 'fulll'"),
    ],
)
def test_a_detectors_condition_that_cannot_be_asked_is_named(detector, told):
    assert told in complaint(with_value(f"{TOY}.detector", detector))


def test_unseen_parents_need_four_candidates():
    config = with_value(f"{TOY}.roots.count", 3)
    config["experiments"]["toy"]["detector"] = {"unseen_parents": True}
    assert "detector.unseen_parents: expected at least 4 candidates" in complaint(config)


def sharing(**models_of) -> dict:
    config = with_value("device", "cpu")
    toy = config["experiments"]["toy"]
    config["experiments"]["wider"] = {
        "models_of": {"experiment": "toy"} | models_of,
        "probe": toy["probe"] | {"images": 7},
    }
    return config


def test_an_experiment_may_look_at_anothers_models():
    toy, wider = experiments_of(checked(sharing(settings=["full"]))).values()
    assert Zoo(wider).children("full") == Zoo(toy).children("full")
    assert (toy.probe.images, wider.probe.images) == (8, 7)


@pytest.mark.parametrize(
    ("models_of", "told"),
    [
        (
            {"experiment": "nope"},
            "models_of.experiment: expected one of toy, which make models, but got 'nope'",
        ),
        ({"experiment": "wider"}, "models_of.experiment: expected one of toy"),
        ({"settings": ["nope"]}, "models_of.settings: expected some of full, but got 'nope'"),
    ],
)
def test_models_that_are_not_there_are_named(models_of, told):
    assert told in complaint(sharing(**models_of))


def test_an_experiment_with_anothers_models_has_none_of_its_own():
    config = sharing()
    config["experiments"]["wider"]["seed"] = 1
    assert "wider.seed: expected without it" in complaint(config)


@pytest.mark.parametrize(
    ("candidates", "told"),
    [
        (["roots", "nope"], "candidates: expected some of roots, full, but got 'nope'"),
        (["full"], "candidates: expected roots among them, where the parents are, but got full"),
        (["roots", "full"], "candidates: full itself, expected with detector.inputs []"),
    ],
)
def test_candidates_that_cannot_be_are_named(candidates, told):
    assert told in complaint(with_value(f"{TOY}.settings.full.candidates", candidates))


@pytest.mark.parametrize("part", ["similarity", "detector"])
def test_candidates_are_aligned_only_where_it_is_asked(part):
    """Without the key, and with `false`, a job's params stay what they were."""
    plain = experiments_of(checked(copy.deepcopy(SMALLEST)))["toy"]
    for value, expected in ((False, None), (True, True)):
        found = experiments_of(checked(with_value(f"{TOY}.{part}", {"align": value})))["toy"]
        assert getattr(found, part).align is expected
        assert (getattr(found, part).plain() == getattr(plain, part).plain()) == (not value)


def test_blocks_of_hybrids_are_not_aligned():
    config = with_value(f"{TOY}.similarity", {"align": True})
    config["experiments"]["toy"]["settings"]["full"]["hybrid"] = {"sources": 2}
    config["experiments"]["toy"]["detector"] = {"inputs": []}
    with pytest.raises(UserError, match=r"toy\.similarity\.align: expected false with hybrids"):
        checked(config)
