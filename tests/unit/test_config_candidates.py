"""Which models an experiment compares: another one's, candidates, a detector's conditions, aligned ones."""

import copy

import pytest
from smallest_config import SMALLEST, TOY, complaint, with_value

from lineage.errors import UserError
from lineage.experiment.config import checked, experiments_of
from lineage.experiment.zoo import Zoo


def test_a_detector_looks_at_layers_that_are_tapped():
    config = with_value(f"{TOY}.similarity.layers", ["layer2", "layer3"])
    config["experiments"]["toy"]["detector"] = {"layers": ["layer1"]}
    told = complaint(config)
    assert f"mine.yaml: {TOY}.detector.layers" in told
    assert "layer2" in told
    assert "'layer1'" in told


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
