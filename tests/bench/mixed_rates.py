"""How often the detector of mixed candidates names the nearest ancestor, beside the smallest distance of weights.

Run as `python tests/bench/mixed_rates.py config/config.yaml fc-fashion`, once that experiment's models are trained.
It trains a detector for each seed's split and prints a table of test children. `--data` is that of `make offline`.
"""

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import torch
import yaml

from lineage.detector.geometry import Geometry
from lineage.detector.mixed_answers import mixed_predictions
from lineage.detector.mixed_episodes import Lines, pools_of
from lineage.detector.mixed_model import MixedNetwork
from lineage.detector.mixed_training import Children, train_mixed
from lineage.experiment.conditions import ABSENT, NO_PARENT, PRESENT
from lineage.experiment.config import checked, experiments_of
from lineage.experiment.params import evaluated_settings, mixed_models
from lineage.experiment.zoo import Zoo
from lineage.networks.architectures import seeded
from lineage.networks.matrices import weight_matrices
from lineage.progress import untracked
from lineage.storage.hdf5 import Weights
from lineage.types.evaluation import MixedModels
from lineage.types.experiment import Experiment


def geometry_of(experiment: Experiment, weights: Weights, everyone: list[str]) -> Geometry:
    """Of the layers that the experiment's detectors look at."""
    names = weight_matrices(experiment.network, weights(everyone[0]), experiment.detector.layers)
    return Geometry([{model: weights.dataset(model, name) for model in everyone} for name in names], everyone)


def answered(geometry: Geometry, models: MixedModels, seed: int) -> pd.DataFrame:
    """The answers on test children of a detector that is trained on that seed's split."""
    lines = Lines(models.parents)
    with seeded(seed):
        detector = MixedNetwork()
    children = Children(**{part: pools_of(models, lines, part) for part in ("train", "validation")})
    train_mixed(detector, geometry, lines, children, seed, untracked)
    rows = pd.DataFrame(mixed_predictions(detector, geometry, lines, models, seed))
    return rows[rows["part"] == "test"].assign(seed=seed)


def named(rows: pd.DataFrame, geometry: Geometry, lines: Lines) -> Iterator[dict]:
    """Of every child under a condition, whether the nearest ancestor is named, and is the nearest model."""
    for (setting, condition, child, _), answers in rows.groupby(
        ["setting", "condition", "child", "seed"], sort=False
    ):
        if condition in (ABSENT, PRESENT):
            (none,) = answers.loc[answers["candidate"] == NO_PARENT, "probability"]
            right = (none > 0.5) == (condition == ABSENT)
            yield {"setting": setting, "condition": "is the parent there?", "mixed": right, "weight_l2": None}
            continue
        candidates = answers[answers["candidate"] != NO_PARENT]
        ids = candidates["candidate"].tolist()
        place = lines.nearest(child, ids)
        if place < len(ids):
            seen, _ = geometry.seen(child, ids)
            yield {
                "setting": setting,
                "condition": condition,
                "mixed": int(candidates["logit"].to_numpy().argmax()) == place,
                "weight_l2": int(seen[:, :, 0].exp().sum(1).argmin()) == place,
            }


def main() -> None:
    """Prints the table."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("configuration", type=Path)
    arguments.add_argument("experiment")
    arguments.add_argument("--results", type=Path, default=Path("results"))
    arguments.add_argument("--data")
    arguments = arguments.parse_args()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    raw = yaml.safe_load(arguments.configuration.read_text())
    raw |= {"data": arguments.data} if arguments.data else {}
    experiment = experiments_of(checked(raw, origin=str(arguments.configuration)))[arguments.experiment]
    zoo = Zoo(experiment)
    evaluated = evaluated_settings(zoo, experiment)
    folder = arguments.results / arguments.experiment
    weights = Weights(
        sorted([*folder.glob("pretrain/*/weights.h5"), *folder.glob("finetune/*/*/*/weights.h5")])
    )
    begin, found = time.process_time(), []
    for seed in range(experiment.seeds):
        models = mixed_models(zoo, experiment, evaluated, seed=seed)
        if not seed:
            geometry = geometry_of(experiment, weights, models.everyone)
        found.append(answered(geometry, models, seed))
    rows = pd.DataFrame(named(pd.concat(found), geometry, Lines(models.parents)))
    groups = rows.groupby(["setting", "condition"], sort=False)
    shown = (groups[["mixed", "weight_l2"]].mean().astype(float) * 100).round(1).assign(n=groups.size())
    print(shown.astype(object).where(shown.notna(), "").reset_index().to_markdown(index=False))
    print(f"{time.process_time() - begin:.0f} core-seconds for {experiment.seeds} detectors")


if __name__ == "__main__":
    main()
