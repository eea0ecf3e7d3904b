"""The walk of the tests on CUDA, at a tiny scale on the CPU: the workflow's scripts without Snakemake."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from gpu.walk import walk
from gpu.work import KeptImages

from lineage.data.images import Images
from lineage.errors import UserError
from lineage.experiment.config import checked
from lineage.storage.parquet import read_table
from lineage.storage.schemas import OUTCOMES, RESULTS

DATA = {"source": "sklearn:digits"}
LONG = 900
"""Seconds that no walk here needs, on however busy a machine."""
GRID = {"learning_rate": [0.1], "epochs": [1], "images": [100]}


def config(*, sharing: bool = False, **roots) -> dict:
    experiments = {
        "zoo": {
            "network": {"name": "fc", "image_size": 8, "channels": 1},
            "block_by": "setting",
            "block_size": 2,
            "roots": {"count": 2, "data": DATA | {"split": "train"}, "learning_rate": 0.1, "epochs": 1}
            | roots,
            "settings": {
                "g2": {"children": 3, "data": DATA | {"split": "test"}, "grid": GRID},
                "g3": {
                    "children": {"default": 0, "p0.g2.001": 3},
                    "parents": "g2",
                    "candidates": ["roots", "g2"],
                    "data": DATA | {"split": "test"},
                    "grid": GRID,
                },
            },
            "probe": {"data": DATA | {"split": "test"}, "images": 16},
            "seeds": 1,
            "similarity": {"similarities": ["l1", "weight_l2"], "approximations": ["direct"]},
            "detector": {"inputs": []},
        },
        "shared": {
            "models_of": {"experiment": "zoo", "settings": ["g2"]},
            "probe": {"data": DATA | {"split": "test"}, "images": 8},
            "similarity": {"similarities": ["l1"], "approximations": ["direct"]},
            "detector": {"inputs": []},
        },
    }
    if not sharing:
        del experiments["shared"]
    return checked({"device": "cpu", "experiments": experiments})


def files(folder) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*.h5"))}


def test_a_configuration_is_trained_scored_and_evaluated_without_snakemake(tmp_path):
    said = []
    walked = walk(config(sharing=True), tmp_path, workers=0, limit=LONG, say=said.append)
    assert walked.is_whole
    assert not walked.missing
    assert said[0].startswith("11 models, ")
    found = read_table(tmp_path / "results" / "zoo" / "results.parquet", RESULTS)
    assert {"g2", "g3"} <= set(found["setting"])
    assert "ancestor in roots" in set(found["condition"])
    verdicts = read_table(tmp_path / "results" / "zoo" / "outcomes.parquet", OUTCOMES)
    assert (
        verdicts.loc[(verdicts["setting"] == "g3") & (verdicts["condition"] == "standard"), "candidates"]
        .eq(8)
        .all()
    )
    assert (tmp_path / "results" / "shared" / "run.parquet").exists()


def test_a_walk_that_was_cut_off_goes_on_and_leaves_the_same_files(tmp_path):
    cut = walk(config(), tmp_path / "cut", workers=0, limit=0, say=lambda line: None)
    assert not cut.is_whole
    assert cut.missing == []
    walk(config(), tmp_path / "whole", workers=0, limit=LONG, say=lambda line: None)
    one_file = next((tmp_path / "whole").rglob("zoo/finetune/g2/**/weights.h5"))
    kept = tmp_path / "cut" / one_file.relative_to(tmp_path / "whole")
    assert walk(config(), tmp_path / "cut", workers=0, limit=LONG, say=lambda line: None).is_whole
    assert files(tmp_path / "cut") == files(tmp_path / "whole")
    made = kept.stat().st_mtime_ns
    walk(config(), tmp_path / "cut", workers=0, limit=LONG, say=lambda line: None)
    assert kept.stat().st_mtime_ns == made


def test_a_users_mistake_ends_the_walk_with_the_scripts_own_line(tmp_path):
    with pytest.raises(UserError, match="zoo/pretrain/p0: p0: images: expected at most"):
        walk(config(images=5000), tmp_path, workers=0, limit=LONG, say=lambda line: None)


@pytest.mark.parametrize("normal", [{}, {"mean": [0.4, 0.5, 0.6], "std": [0.2, 0.3, 0.1]}])
def test_images_kept_on_the_device_are_equal_to_the_last_bit(normal):
    pixels = np.random.default_rng(0).integers(0, 256, (20, 4, 4, 3), dtype=np.uint8)
    images = Images(
        pixels=pixels,
        labels=np.arange(20),
        ids=[str(n) for n in range(20)],
        class_names=[str(n) for n in range(20)],
    )
    images = replace(images, **normal)
    there = torch.from_numpy(pixels.transpose(0, 3, 1, 2).copy())
    kept = KeptImages(**vars(images), bytes_there=there)
    for index in (None, np.array([3, 1, 19])):
        assert torch.equal(kept.tensor(index), images.tensor(index))


def test_settings_that_are_whole_when_the_time_is_up_are_evaluated(tmp_path):
    walk(config(), tmp_path, workers=0, limit=LONG, say=lambda line: None)
    next(tmp_path.rglob("similarity/g3/**/scores.parquet")).unlink()
    walked = walk(config(), tmp_path, workers=0, limit=0, say=lambda line: None)
    assert not walked.is_whole
    assert walked.missing == ["zoo g3"]
    assert set(read_table(tmp_path / "results" / "zoo" / "results.parquet", RESULTS)["setting"]) == {"g2"}
