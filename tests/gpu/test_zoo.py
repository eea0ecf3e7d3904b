"""Three generations of ResNet18 from config/gpu.yaml, scored whole; tables in the project's schemas are left."""

import copy
import sys
from pathlib import Path

import pytest
import yaml

from gpu import switches
from gpu.walk import walk
from lineage.experiment.config import checked
from lineage.results.summarise import write_summaries
from lineage.storage.parquet import read_tables
from lineage.storage.schemas import MODELS

CONFIG = Path(__file__).parents[2] / "config" / "gpu.yaml"
CHANCE = 0.1
"""Of a root, on CIFAR-10."""


def configuration(device: str) -> dict:
    """config/gpu.yaml on this device and on the data that the environment names; far smaller where that is tiny."""
    config = yaml.safe_load(CONFIG.read_text()) | {"device": device, "data": switches.DATA}
    if switches.IS_TINY:
        zoo = config["experiments"]["resnet18-zoo"]
        zoo["roots"] |= {"count": 2, "images": 200, "epochs": 1, "batch_size": 64}
        for setting, children in {"g2": 3, "g3": {"default": 0, "p0.g2.000": 3}}.items():
            grid = {"learning_rate": [0.05], "epochs": [1], "images": [100]}
            zoo["settings"][setting] |= {"children": children, "grid": grid}
        for experiment in config["experiments"].values():
            experiment["probe"] = {"data": copy.deepcopy(zoo["probe"]["data"]), "images": 16}
    return checked(config, origin=CONFIG.name)


def say(line: str) -> None:
    """Tells how far the zoo is, at once."""
    print(f"zoo: {line}", file=sys.stderr, flush=True)


@pytest.mark.skipif(
    not switches.DATA, reason="no CIFAR-10: make test-gpu DATA=<folder of cifar10-train.parquet …>"
)
def test_a_zoo_of_three_generations_is_trained_scored_and_evaluated(device, figures, tmp_path):
    config = configuration(device.type)
    folder = tmp_path if switches.IS_TINY else switches.RUN
    walked = walk(config, folder, workers=switches.WORKERS, limit=switches.zoo_limit(), say=say)
    models = read_tables(sorted(folder.rglob("models.parquet")), MODELS)
    roots = models[models["generation"] == 1]
    counts = {
        f"models of generation {number}": count
        for number, count in models.groupby("generation").size().items()
    }
    figures.add("zoo", "timm:resnet18, 32 px", counts, "models", n=len(models))
    figures.add("zoo", "timm:resnet18, 32 px", {"walk": walked.seconds}, "s", n=len(models))
    figures.add("zoo", "timm:resnet18, 32 px", {"roots' accuracy in training": roots["accuracy"].mean()}, "share",
                n=len(roots))  # fmt: skip
    results = folder / "results"
    if not list(results.glob("*/results.parquet")):
        pytest.fail(f"the time allowed {len(models)} models, none of them scored; run again to go on")
    tables = write_summaries(
        results, tmp_path / "tables" if switches.IS_TINY else switches.OUT, config["experiments"]
    )
    say(
        f"{len(tables)} tables; not evaluated: {', '.join(walked.missing) or 'nothing'}; {walked.seconds:.0f} s"
    )
    assert walked.is_whole
    assert switches.IS_TINY or roots["accuracy"].min() > 4 * CHANCE
