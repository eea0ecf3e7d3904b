"""Two runs on one device leave the same bytes, whether one process computes or several share the device."""

import copy

from gpu.networks import SMALL
from gpu.walk import walk
from lineage.experiment.config import checked

ROLES = {"weights.h5": 3, "features.h5": 2, "scores.parquet": 1, "models.parquet": 3}
"""Files of each kind that an experiment leaves: of 2 roots and of a block of children."""
DATA = {"source": "embedded:fashion-mnist"}


def config(device: str) -> dict:
    """A checked configuration of one small experiment a network."""
    experiment = {
        "block_by": "setting",
        "roots": {"count": 2, "data": DATA, "learning_rate": 0.02, "epochs": 1, "images": 256},
        "settings": {
            "full": {
                "children": 3,
                "data": DATA | {"split": "test"},
                "grid": {"learning_rate": [0.02], "epochs": [1], "images": [128]},
            }
        },
        "probe": {"data": DATA | {"split": "test"}, "images": 32},
        "similarity": {
            "similarities": [
                "l1",
                "lp",
                "cka",
                "cka_unbiased",
                "cka_rbf",
                "dc",
                "procrustes",
                "weight_cosine",
            ],
            "approximations": ["direct", "path", "linear", "taylor"],
            "alphas": [0.5],
        },
        "detector": {"inputs": []},
    }
    experiments = {
        name.rpartition(":")[2]: copy.deepcopy(experiment) | {"network": network}
        for name, network in SMALL.items()
    }
    return checked({"device": device, "experiments": experiments})


def test_a_second_run_leaves_the_same_bytes(device, tmp_path):
    twice = config(device.type)
    for folder, workers in (("one", 0), ("other", 4)):
        assert walk(twice, tmp_path / folder, workers=workers, limit=120, say=lambda line: None).is_whole
    for role, count in ROLES.items():
        files = sorted((tmp_path / "one").rglob(role))
        assert len(files) == count * len(SMALL)
        for file in files:
            twin = tmp_path / "other" / file.relative_to(tmp_path / "one")
            assert file.read_bytes() == twin.read_bytes(), file
