"""What the networks of a family learn: images of a few kinds, and their labels.

`home` is what the root learns; `more` are other images of the same kind and classes, `part` those of every second
class, `away` another kind of image, `turned` the home images, turned by none to three quarters: the label.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from torch import Tensor

from lineage.data.images import Images, stratified_subset
from lineage.data.load import load_images
from lineage.families.networks import SIZE
from lineage.families.plan import Family

BATCH = 32
TESTED = 300
"""Images that accuracy is measured on."""
SOURCES = {"fashion": "embedded:fashion-mnist", "digits": "sklearn:digits"}
MEAN, STD = 0.3, 0.33
"""About those of both kinds of image."""


@dataclass(frozen=True)
class Task:
    """Images [N, 1, 16, 16] and labels [N] to learn, others [M, ...] to see how well, and the number of classes."""

    images: Tensor
    labels: Tensor
    test_images: Tensor
    test_labels: Tensor
    classes: int


def task(name: str, family: Family) -> Task:
    """A task of a family; which images it has is drawn from the family's seed."""
    kind = family.home if name != "away" else {"fashion": "digits", "digits": "fashion"}[family.home]
    of_training, of_test = _images(kind, "train"), _images(kind, "test")
    count = BATCH * family.epoch_steps
    drawn = stratified_subset(of_training.labels, 2 * count, family.seed_for(f"images of {kind}"))
    chosen = drawn[count:] if name in ("more", "part") else drawn[:count]
    train = _tensors(of_training, chosen)
    test = _tensors(of_test, stratified_subset(of_test.labels, TESTED, family.seed_for(f"tests of {kind}")))
    classes = len(of_training.class_names)
    if name == "part":
        train, test, classes = _every_second(*train), _every_second(*test), classes // 2
    elif name == "turned":
        train, test, classes = _turned(*train), _turned(*test), 4
    return Task(*train, *test, classes)


@cache
def _images(kind: str, split: str) -> Images:
    return load_images(SOURCES[kind], split=split, size=SIZE, channels=1)


def _tensors(images: Images, chosen: np.ndarray) -> tuple[Tensor, Tensor]:
    return (images.tensor(chosen) - MEAN) / STD, images.labels_tensor(chosen)


def _every_second(images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Those of classes 0, 2, 4, ..., numbered anew."""
    chosen = labels % 2 == 0
    return images[chosen], labels[chosen] // 2


def _turned(images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Each image turned by its place's quarters, which are its label."""
    quarters = torch.arange(len(labels)) % 4
    turned = torch.stack(
        [image.rot90(int(times), (1, 2)) for image, times in zip(images, quarters, strict=True)]
    )
    return turned, quarters
