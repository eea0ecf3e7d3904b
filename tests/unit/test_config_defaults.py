"""What a configuration becomes: given keys win over documented defaults, and data are found by name."""

import copy
from pathlib import Path

import pytest
import yaml
from smallest_config import SMALLEST, TOY, complaint, with_value

from lineage.experiment.config import checked, experiments_of
from lineage.experiment.zoo import Zoo

REPOSITORY = Path(__file__).parents[2]


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
