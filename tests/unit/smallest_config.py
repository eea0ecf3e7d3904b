"""The smallest configuration, with values of it set, and what it is refused with."""

import copy

import pytest

from lineage.errors import UserError
from lineage.experiment.config import checked, experiments_of
from lineage.experiment.zoo import Zoo

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
