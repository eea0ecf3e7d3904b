"""Every committed configuration builds its graph, wherever its data are said to be."""

import re
from pathlib import Path

import yaml

from lineage.experiment.config import checked, experiments_of
from lineage.experiment.zoo import Zoo


def planned(checkout, name: str, *arguments: str) -> dict[str, int]:
    """How many jobs of each rule a dry-run plans."""
    config = f"config/{name}.yaml"
    code, output = checkout.dry_run("--quiet", "rules", "--cores", "4", "--configfile", config, *arguments)
    assert code == 0, output
    return {rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", output, re.MULTILINE)}


def wanted(checkout, name: str) -> dict[str, int]:
    """How many roots and blocks of children the configuration asks for, and how many are compared in which way."""
    config = checked(yaml.safe_load(checkout.path(f"config/{name}.yaml").read_text()))
    experiments = experiments_of(config).values()
    zoos = [Zoo(experiment) for experiment in experiments]
    makers = [Zoo(experiment) for experiment in experiments if experiment.models_of is None]
    jobs = {
        "pretrain": sum(len(zoo.roots) for zoo in makers),
        "finetune": sum(len(zoo.blocks(setting)) for zoo in makers for setting in zoo.settings),
        "similarity": sum(len(zoo.blocks(setting)) for zoo in zoos for setting in zoo.of_one_parent),
        "block_similarity": sum(len(zoo.blocks(setting)) for zoo in zoos for setting in zoo.hybrids),
    }
    return {rule: count for rule, count in jobs.items() if count}


def test_the_papers_scale_builds(repository):
    assert planned(repository, "paper").items() >= wanted(repository, "paper").items()


def test_the_offline_scale_builds_with_downloads_and_from_a_folder(repository, tmp_path):
    expected = wanted(repository, "offline").items()
    assert planned(repository, "offline").items() >= expected
    for name in ("mnist", "cifar10"):
        for split in ("train", "test"):
            Path(tmp_path, f"{name}-{split}.parquet").touch()
    assert planned(repository, "offline", "--config", f"data={tmp_path}").items() >= expected


def test_the_scale_of_a_large_gpu_builds(repository):
    assert planned(repository, "gpu").items() >= wanted(repository, "gpu").items()


def test_a_folder_without_the_data_is_told(repository, tmp_path):
    code, output = repository.dry_run("--configfile", "config/offline.yaml", "--config", f"data={tmp_path}")
    assert code != 0
    assert "mnist-train.parquet: expected a Parquet file of images, found none" in output
    assert "Traceback" not in output


def test_generations_from_weights_on_disk_build_once_the_file_is_there(repository, tmp_path):
    code, output = repository.dry_run("--configfile", "config/pretrained.yaml")
    assert code != 0
    assert "efficientnet-lite0-57934424.pth: expected a file of weights, but there is none" in output
    path = repository.folder / "data" / "efficientnet-lite0-57934424.pth"
    path.parent.mkdir()
    path.touch()
    try:
        assert planned(repository, "pretrained").items() >= wanted(repository, "pretrained").items()
    finally:
        path.unlink()
        path.parent.rmdir()


def test_what_make_run_runs_builds_and_every_setting_is_audited_and_one_tree_found(repository):
    jobs = planned(repository, "config")
    assert jobs.items() >= wanted(repository, "config").items()
    assert (jobs["audits"], jobs["family_tree"]) == (4, 1)


def test_the_conditions_build_and_every_setting_is_audited(repository):
    jobs = planned(repository, "conditions")
    assert jobs.items() >= wanted(repository, "conditions").items()
    assert jobs["audits"] == jobs["queries"] == jobs["answers"] == 4
    assert jobs["family_tree"] == 1
