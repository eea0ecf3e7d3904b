"""Labelled images of one size, all in memory as uint8. N images, H height, W width, C channels."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from lineage.data.decoding import LazyPixels
from lineage.errors import UserError

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, kw_only=True)
class Images:
    """Labelled images of one size.

    pixels: uint8 [N, H, W, C], or what gives that by index; labels: int64 [N], indices into class_names; ids: one
    unique name an image; mean and std: of each channel, to normalise by.
    """

    pixels: np.ndarray | LazyPixels
    labels: np.ndarray
    ids: list[str]
    class_names: list[str]
    mean: list[float] | None = None
    std: list[float] | None = None

    def __len__(self) -> int:
        """N."""
        return len(self.labels)

    def tensor(self, index: "np.ndarray | list[int] | slice | None" = None) -> "torch.Tensor":
        """The images, or those at `index`: float32 [n, C, H, W] in [0, 1], or (that - mean) / std if these are given.

        The memory is torch's own, not NumPy's: its alignment decides the order of floating point sums.
        """
        import torch

        chosen = self.pixels[slice(None) if index is None else index]
        channels_first = torch.from_numpy(np.ascontiguousarray(chosen.transpose(0, 3, 1, 2)))
        pixels = torch.empty(channels_first.shape, dtype=torch.float32).copy_(channels_first).div_(255)
        if self.mean is not None:
            pixels.sub_(torch.tensor(self.mean)[:, None, None]).div_(torch.tensor(self.std)[:, None, None])
        return pixels

    def labels_tensor(self, index: "np.ndarray | list[int] | slice | None" = None) -> "torch.Tensor":
        """The labels, or those at `index`: int64 [n], in torch's own memory."""
        import torch

        return torch.tensor(self.labels if index is None else self.labels[index], dtype=torch.int64)


def of_classes(images: Images, classes: Sequence[int], where: str) -> Images:
    """The images of some classes alone, renumbered in the order given; UserError for an unknown one."""
    if unknown := [label for label in classes if label >= len(images.class_names)]:
        raise UserError(
            f"{where}: classes: expected numbers below {len(images.class_names)}, but got {unknown[0]}"
        )
    chosen = np.flatnonzero(np.isin(images.labels, classes))
    place = {label: number for number, label in enumerate(classes)}
    return replace(
        images,
        pixels=images.pixels[chosen],
        labels=np.array([place[label] for label in images.labels[chosen]], dtype=np.int64),
        ids=[images.ids[number] for number in chosen],
        class_names=[images.class_names[label] for label in classes],
    )


def stratified_subset(labels: np.ndarray, count: int, seed: int | np.random.Generator) -> np.ndarray:
    """Indices [count] of images drawn as evenly over the classes as their sizes allow, in shuffled order.

    The draw depends on the labels and the seed alone; a larger draw with the same seed holds the smaller one.
    Raises UserError where `count` is more than there are.
    """
    labels = np.asarray(labels)
    if not 0 <= count <= len(labels):
        raise UserError(
            f"expected a subset of 0 to {len(labels)} images, all there are, got {count}; correct it"
        )
    generator = np.random.default_rng(seed)
    place = generator.permutation(len(labels))
    turn = np.empty(len(labels), dtype=np.int64)  # how many of the same class stand before an image
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        turn[members] = np.argsort(np.argsort(place[members]))
    drawn = np.lexsort((place, turn))[:count]
    return generator.permutation(drawn)
