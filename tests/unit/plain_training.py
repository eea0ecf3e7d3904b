"""Training written out: short recipes, the models that are trained by them, and the plain loop."""

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.nn.utils import clip_grad_norm_

from lineage.experiment.zoo import Model
from lineage.types.recipe import Recipe

STEPS = {"data": {"source": "parquet:toy.parquet"}, "epochs": 1, "momentum": 0, "weight_decay": 0}
"""An epoch of steps without memory; how large they are, and of how many images, each test says."""
RECIPE = STEPS | {"learning_rate": 0.05, "epochs": 2, "batch_size": 8, "momentum": 0.9}


def model_of(recipe: dict, parent: str | None = None, seed: int = 5) -> Model:
    """A root, or a child of the parent."""
    return Model(
        id="p0.full.000" if parent else "p0",
        setting="full" if parent else "roots",
        parent=parent,
        index=0,
        generation=2 if parent else 1,
        seed=seed,
        recipe=Recipe.of(recipe),
    )


def plain_loop(
    net: nn.Module, optimizer, pixels: Tensor, labels: Tensor, recipe: dict, seed: int, schedule=None
) -> None:
    """Training as it is without any of the optional keys but `clip`."""
    order = torch.Generator().manual_seed(seed)
    net.train()
    for _ in range(recipe["epochs"]):
        for batch in torch.randperm(len(labels), generator=order).split(recipe["batch_size"]):
            optimizer.zero_grad()
            cross_entropy(net(pixels[batch]), labels[batch]).backward()
            if "clip" in recipe:
                clip_grad_norm_(net.parameters(), recipe["clip"])
            optimizer.step()
            if schedule is not None:
                schedule.step()
