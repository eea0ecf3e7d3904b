"""Images a second in pre-training and in fine-tuning, with and without mixed precision."""

import statistics
import time
from collections.abc import Iterable, Iterator

import pytest
import torch
from bench.pair_cost import wait_for_gpu

from gpu import switches
from gpu.networks import LARGE, SMALL, noise
from lineage.experiment.zoo import Model
from lineage.training.fit import trained
from lineage.types.recipe import Recipe
from lineage.types.scoring import Network

EPOCHS = 2 if switches.IS_TINY else 3
AT_32 = {"timm:resnet18, 32 px": (SMALL["timm:resnet18"], 8192, 512)}
AT_224 = {f"{name}, 224 px": (network, 512, 128) for name, network in LARGE.items()}
SETUPS = {"fc, 28 px": (SMALL["fc"], 64, 32)} if switches.IS_TINY else AT_32 | AT_224
"""(network, images, batch size) of each."""


class Clock:
    """Times the epochs of a training that it is given as `tracked`; the first, to warm up, does not count."""

    def __init__(self):
        self._ends: list[float] = []

    def __call__(self, items: Iterable, what: str) -> Iterator:
        """Passes epochs on."""
        for item in items:
            yield item
            wait_for_gpu()
            self._ends.append(time.perf_counter())

    @property
    def median(self) -> float:
        """Seconds of an epoch."""
        return statistics.median(end - begin for begin, end in zip(self._ends, self._ends[1:], strict=False))


@pytest.mark.parametrize("name", SETUPS)
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_pre_training_and_fine_tuning_are_timed(name, precision, device, figures):
    network, count, batch_size = SETUPS[name]
    images = noise(network, count)
    recipe = {"data": {"source": "noise"}, "learning_rate": 0.01, "epochs": EPOCHS, "batch_size": batch_size,
              "momentum": 0.9, "weight_decay": 0.0, "clip": 1.0}  # fmt: skip
    if precision != "float32":
        recipe["mixed_precision"] = precision
    root = Model(
        id="p0", setting="roots", parent=None, index=0, generation=1, seed=0, recipe=Recipe.of(recipe)
    )
    child = Model(
        id="p0.full.000", setting="full", parent="p0", index=0, generation=2, seed=1, recipe=Recipe.of(recipe)
    )
    state, speeds = None, {}
    for kind, model in {"pre-training": root, "fine-tuning": child}.items():
        clock = Clock()
        row, state = trained(model, Network(**network), images, state, device, clock)
        assert row["loss"] < float("inf")
        assert all(value.dtype == torch.float32 for value in state.values() if value.is_floating_point())
        speeds[kind] = count / clock.median
    figures.add("training", name, speeds, "images/s", n=count, precision=precision)
