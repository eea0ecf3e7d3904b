"""Which files hold which models of an experiment, and what its detectors write."""

from dataclasses import replace

import pytest

from lineage.experiment.config import checked, experiments_of
from lineage.experiment.params import evaluated_settings, mixed_models, models_of_tree
from lineage.experiment.paths import FOLDERS, Paths, file_of
from lineage.experiment.zoo import Zoo
from lineage.types.experiment import Experiment, ModelsOf

DATA = {"source": "embedded:fashion-mnist"}
GRID = {"learning_rate": [0.1], "epochs": [1]}


def experiment(**parts) -> Experiment:
    """A checked experiment with two roots, and a setting `g2` of five children of each."""
    setting = {"children": 5, "data": dict(DATA), "grid": GRID}
    raw = {
        "network": {"name": "fc", "image_size": 28, "channels": 1},
        "roots": {"count": 2, "data": dict(DATA), "learning_rate": 0.1, "epochs": 1},
        "settings": {"g2": setting},
        "block_size": 4,
        "probe": {"data": dict(DATA), "images": 8},
    }
    return experiments_of(checked({"experiments": {"tiny": raw | parts}}))["tiny"]


def paths_of(**parts) -> Paths:
    whole = experiment(**parts)
    return Paths("tiny", whole, Zoo(whole))


def test_a_root_has_a_file_of_its_own():
    assert paths_of().weights(["p1", "p0"]) == [
        "<results>/tiny/pretrain/p1/weights.h5",
        "<results>/tiny/pretrain/p0/weights.h5",
    ]


def test_the_features_of_all_roots_are_in_one_file():
    assert paths_of().features(["p0", "p1"]) == ["<results>/tiny/features/roots/features.h5"]


def test_the_file_of_a_block_of_children_is_named_once():
    assert paths_of().weights(["p1.g2.000", "p1.g2.003", "p1.g2.004"]) == [
        "<results>/tiny/finetune/g2/p1/0/weights.h5",
        "<results>/tiny/finetune/g2/p1/1/weights.h5",
    ]


def test_blocks_over_all_parents_stand_in_the_folder_all():
    files = paths_of(block_by="setting").features(["p0.g2.000", "p1.g2.000", "p1.g2.004"])
    assert files == [f"<results>/tiny/features/g2/all/{block}/features.h5" for block in (0, 1)]


def test_a_setting_of_two_parents_with_two_blocks_each_has_four_files():
    assert paths_of().blocks("similarity", "scores.parquet", "g2") == [
        f"<results>/tiny/similarity/g2/{parent}/{block}/scores.parquet"
        for parent in ("p0", "p1")
        for block in (0, 1)
    ]


def test_shared_models_have_their_weights_in_the_experiment_that_trains_them_and_features_in_this_one():
    whole = experiment()
    paths = Paths("again", replace(whole, models_of=ModelsOf(experiment="tiny")), Zoo(whole))
    assert paths.weights(["p0"]) == ["<results>/tiny/pretrain/p0/weights.h5"]
    assert paths.features(["p0"]) == ["<results>/again/features/roots/features.h5"]


def test_there_is_one_detector_a_setting_form_and_seed():
    detector = {"inputs": ["both", "weights"]}
    assert paths_of(detector=detector, seeds=2).detectors("detector.h5") == [
        f"<results>/tiny/detector/g2/{form}/{seed}/detector.h5"
        for form in ("both", "weights")
        for seed in (0, 1)
    ]


def test_without_detectors_there_are_no_files_of_them():
    paths = paths_of(detector={"inputs": [], "no_parent": False})
    assert paths.detectors("history.parquet") == []
    assert paths.transfers("predictions.parquet") == []


def test_detectors_for_unseen_parents_are_a_form_of_their_own():
    roots = {"count": 4, "data": dict(DATA), "learning_rate": 0.1, "epochs": 1}
    paths = paths_of(roots=roots, detector={"unseen_parents": True}, seeds=1)
    assert paths.detectors("detector.h5") == [
        "<results>/tiny/detector/g2/both/0/detector.h5",
        "<results>/tiny/detector/g2/unseen-parents/0/detector.h5",
    ]


def test_detectors_answer_for_each_other_setting_with_the_same_parents():
    setting = {"children": 3, "data": dict(DATA), "grid": GRID}
    settings = {"full": setting, "head": dict(setting)}
    detector = {"inputs": ["both", "weights"], "transfer": True, "transfer_only": ["head"]}
    paths = paths_of(settings=settings, detector=detector, seeds=1)
    assert paths.transfers("predictions.parquet") == [
        "<results>/tiny/transfer/head/full/0/predictions.parquet",
        "<results>/tiny/transfer/full/head/0/predictions.parquet",
    ]
    assert paths.detectors("detector.h5") == [
        "<results>/tiny/detector/full/both/0/detector.h5",
        "<results>/tiny/detector/full/weights/0/detector.h5",
        "<results>/tiny/detector/head/both/0/detector.h5",
    ]


def test_all_predictions_are_those_of_detectors_and_of_transfers():
    setting = {"children": 3, "data": dict(DATA), "grid": GRID}
    settings = {"full": setting, "head": dict(setting)}
    assert paths_of(settings=settings, detector={"transfer": True}, seeds=1).predictions() == [
        "<results>/tiny/detector/full/both/0/predictions.parquet",
        "<results>/tiny/detector/head/both/0/predictions.parquet",
        "<results>/tiny/transfer/head/full/0/predictions.parquet",
        "<results>/tiny/transfer/full/head/0/predictions.parquet",
    ]


def test_a_mixed_detector_is_one_a_seed_and_reads_every_model_once():
    paths = paths_of(detector={"inputs": [], "mixed": True}, seeds=2)
    files = [f"<results>/tiny/detector/mixed/{seed}/predictions.parquet" for seed in (0, 1)]
    assert paths.predictions() == files
    whole = experiment(detector={"mixed": True}, seeds=1)
    zoo = Zoo(whole)
    models = mixed_models(zoo, whole, evaluated_settings(zoo, whole), seed=0)
    assert models.everyone == sorted(model.id for model in [*zoo.roots, *zoo.children("g2")])
    assert models.trained == ("g2",)


def test_a_mixed_detector_is_not_trained_on_disguised_children():
    hidden = {"children": 3, "data": dict(DATA), "grid": GRID, "disguise": ["permute"]}
    whole = experiment(settings={"hidden": hidden})
    zoo = Zoo(whole)
    models = mixed_models(zoo, whole, evaluated_settings(zoo, whole), seed=0)
    assert models.trained == ()
    assert set(models.settings) == {"hidden"}


def test_features_on_the_path_are_needed_where_a_detector_looks_at_them_alone():
    assert paths_of(detector={"alpha": 0}).path_features("g2") == []
    assert paths_of(detector={"alpha": 0, "align": True}).path_features("g2")
    assert paths_of(detector={"alpha": 0.5}, block_size=8).path_features("g2") == [
        f"<results>/tiny/path_features/g2/{parent}/0/features.h5" for parent in ("p0", "p1")
    ]


def test_no_two_rules_write_into_one_folder():
    assert len(set(FOLDERS.values())) == len(FOLDERS)


def test_a_path_without_one_of_its_wildcards_is_refused():
    with pytest.raises(KeyError, match="root"):
        file_of("pretrain", "weights.h5", experiment="tiny")


def test_a_family_tree_is_of_roots_and_children_and_there_is_none_of_hybrids_alone():
    assert paths_of().tree() == []
    assert paths_of(tree=True).tree() == ["<results>/tiny/tree/parents.parquet"]
    assert sorted(models_of_tree(Zoo(experiment(tree=True)))) == [
        f"p{root}{child}" for root in (0, 1) for child in ("", *(f".g2.{number:03}" for number in range(5)))
    ]
    hybrids = {"children": 5, "data": dict(DATA), "grid": GRID, "hybrid": {"sources": 2}}
    assert paths_of(tree=True, settings={"mixed": hybrids}).tree() == []
