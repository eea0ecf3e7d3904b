"""The architectures that the workflow trains, by name; adding one takes one entry in ARCHITECTURES.

A network's head is the module that fine-tuning replaces; everything before it is the backbone.
"""

import contextlib
import itertools
from collections import OrderedDict
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from lineage.errors import UserError

HEAD = "head"
"""The name of the head in our own architectures."""


def fc(*, classes: int, channels: int, image_size: int) -> nn.Module:
    """A fully connected network, widths 1024-256-128 (Yu & Wang 2024, FcNet)."""
    widths = [channels * image_size**2, 1024, 256, 128]
    layers = OrderedDict(flatten=nn.Flatten())
    for number, (inputs, outputs) in enumerate(itertools.pairwise(widths), start=1):
        layers[f"layer{number}"] = nn.Sequential(nn.Linear(inputs, outputs), nn.ReLU())
    layers[HEAD] = nn.Linear(widths[-1], classes)
    return nn.Sequential(layers)


ARCHITECTURES: dict[str, Callable[..., nn.Module]] = {"fc": fc}


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draws the body's random numbers from `seed`, and leaves the caller's random state as it was."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield


def build(name: str, *, classes: int, channels: int, image_size: int, seed: int) -> nn.Module:
    """A network with random weights drawn from `seed`, whatever the caller's own random state.

    Raises:
        UserError: for an unknown name.
    """
    if name not in ARCHITECTURES:
        raise UserError(f"network.name: expected one of {', '.join(ARCHITECTURES)}, but got {name!r}")
    with seeded(seed):
        return ARCHITECTURES[name](classes=classes, channels=channels, image_size=image_size)


def backbone_state(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A state dict without the head's entries."""
    return {key: value for key, value in state.items() if key.split(".")[0] != HEAD}


def classes_of(state: dict[str, Tensor]) -> int:
    """How many classes the head of a state dict tells apart."""
    return len(state[f"{HEAD}.weight"])
