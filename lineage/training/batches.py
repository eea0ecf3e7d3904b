"""The batches of each epoch, in an order drawn from a seed; images are changed at random where asked."""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from lineage.seeds import seed_of
from lineage.training.augmentation import Transform
from lineage.types.recipe import Recipe


class Batch(NamedTuple):
    """Images that go through the network at once."""

    pixels: Tensor
    """[n, C, H, W]"""
    labels: Tensor
    """[n, ...]"""
    share: float
    """Of the images of its step."""
    ends_step: bool
    """Whether a step is taken after it."""


class Part(NamedTuple):
    """A batch by its images' numbers."""

    images: Tensor
    """[n]"""
    share: float
    ends_step: bool


class Batches:
    """Every image once an epoch, each time in another order.

    Args:
        pixels: [N, C, H, W]; labels: [N, ...]; on one device.
        recipe: its batch_size, accumulate and workers count.
        seed: of the order, and of what the transform draws.
        device: where batches go.
        transform: changes an image [C, H, W]; what it draws depends on the seed, the epoch and the image alone.
    """

    def __init__(
        self,
        pixels: Tensor,
        labels: Tensor,
        recipe: Recipe,
        seed: int,
        device: torch.device,
        transform: Transform | None = None,
    ):
        self._pixels, self._labels, self._device = pixels, labels, device
        self._at_once, self._a_step = recipe.batch_size, recipe.batch_size * (recipe.accumulate or 1)
        self._order = torch.Generator().manual_seed(seed)
        self._shown = None if transform is None else _Shown(pixels, labels, transform, seed)
        if self._shown is not None:
            workers = recipe.workers or 0
            self._loader = DataLoader(
                self._shown,
                batch_sampler=self._shown.wanted,
                num_workers=workers,
                multiprocessing_context="fork" if workers else None,  # others run a job's script once more
                persistent_workers=workers > 0,
                pin_memory=device.type == "cuda",
                generator=torch.Generator(),
            )

    @property
    def steps(self) -> int:
        """How many an epoch has."""
        return -(-len(self._labels) // self._a_step)

    def of_epoch(self, epoch: int) -> Iterator[Batch]:
        """The batches of an epoch; epochs come one after another."""
        parts = list(self._drawn())
        if self._shown is None:
            for part in parts:
                images = part.images.to(self._pixels.device)
                yield self._batch(self._pixels[images], self._labels[images], part)
            return
        self._shown.wanted[:] = [[(epoch, image) for image in part.images.tolist()] for part in parts]
        for part, (pixels, labels) in zip(parts, self._loader, strict=True):
            yield self._batch(pixels, labels, part)

    def _batch(self, pixels: Tensor, labels: Tensor, part: Part) -> Batch:
        return Batch(pixels.to(self._device), labels.to(self._device), part.share, part.ends_step)

    def _drawn(self) -> Iterator[Part]:
        for step in torch.randperm(len(self._labels), generator=self._order).split(self._a_step):
            parts = step.split(self._at_once)
            for number, images in enumerate(parts, start=1):
                yield Part(images, len(images) / len(step), number == len(parts))


class _Shown(Dataset):
    """An image as it is shown in an epoch, and its label."""

    def __init__(self, pixels: Tensor, labels: Tensor, transform: Transform, seed: int):
        self._pixels, self._labels, self._transform, self._seed = pixels, labels, transform, seed
        self.wanted: list[list[tuple[int, int]]] = []
        """(epoch, image) of every batch of this epoch."""

    def __getitem__(self, place: tuple[int, int]) -> tuple[Tensor, Tensor]:
        epoch, image = place
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed_of(f"{self._seed}/{epoch}/{image}"))
            return self._transform(self._pixels[image]), self._labels[image]
