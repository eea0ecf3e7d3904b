"""Small networks, each with a child near it, and images that need no files."""

import copy
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from lineage.data.images import Images
from lineage.networks.architectures import build

SMALL = {
    "fc": {"name": "fc", "channels": 1, "image_size": 28},
    "convnet": {"name": "convnet", "channels": 3, "image_size": 32},
    "timm:resnet18": {"name": "timm:resnet18", "channels": 3, "image_size": 32},
    "timm:vit_tiny_patch16_224": {"name": "timm:vit_tiny_patch16_224", "channels": 3, "image_size": 32},
}
LARGE = {
    name: {"name": name, "channels": 3, "image_size": 224}
    for name in ("timm:resnet18", "timm:resnet50", "timm:vit_base_patch16_224")
}
STEP = 0.2
"""How far a child is from its parent, on the way to a network of other random weights."""


class Family(NamedTuple):
    """A network, its child, and a probe [n, C, H, W]; all on the CPU."""

    parent: nn.Module
    child: nn.Module
    probe: Tensor


def family(network: dict, n: int = 48) -> Family:
    """A network of random weights, and one a step away from it."""
    parent, other = (build(**network, classes=10, seed=seed) for seed in (0, 1))
    child = copy.deepcopy(parent)
    with torch.no_grad():
        for mine, its in zip(child.parameters(), other.parameters(), strict=True):
            mine.lerp_(its, STEP)
    draw = torch.Generator().manual_seed(0)
    return Family(parent, child, torch.rand(n, *_size(network), generator=draw))


def noise(network: dict, n: int, classes: int = 10) -> Images:
    """Random images of a network's size, of so many classes."""
    channels, size, _ = _size(network)
    draw = np.random.default_rng(0)
    return Images(
        pixels=draw.integers(0, 256, (n, size, size, channels), dtype=np.uint8),
        labels=np.arange(n) % classes,
        ids=[f"noise {number}" for number in range(n)],
        class_names=[str(label) for label in range(classes)],
    )


def _size(network: dict) -> tuple[int, int, int]:
    return network["channels"], network["image_size"], network["image_size"]
