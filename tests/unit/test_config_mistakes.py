"""Each mistake is told with its place, what was expected and what came."""

import copy

import pytest
from smallest_config import SMALLEST, TOY, complaint, with_value


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


@pytest.mark.parametrize("given", [{"mean": [0.5]}, {"mean": [0.5, 0.5], "std": [1, 1]}, {"std": [0]}])
def test_normalisation_needs_both_numbers_of_every_channel(given):
    network = SMALLEST["experiments"]["toy"]["network"]
    assert "network." in complaint(with_value(f"{TOY}.network", network | given))
