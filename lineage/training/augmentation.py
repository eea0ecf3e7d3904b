"""Images changed at random, by torchvision, each time that they are trained on. C channels of H x W pixels."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

Transform = Callable[[Tensor], Tensor]


def transform_of(
    names: Sequence[str], image_size: int, mean: list[float] | None = None, std: list[float] | None = None
) -> Transform:
    """What changes one image [C, H, W]: in bytes, as torchvision's own recipes do, then normalised again.

    It draws from torch's random numbers. Pixels that the draw leaves alone come out bit for bit.

    Args:
        names: of AUGMENTATIONS in workflow/schemas/config.schema.yaml, in the order in which they are applied;
            `erasing` comes last.
        image_size: height and width.
        mean, std: that the images were normalised by.
    """
    from torchvision.transforms import v2

    known = {
        "flip": v2.RandomHorizontalFlip,
        "crop": lambda: v2.RandomCrop(image_size, padding=max(1, image_size // 8)),
        "resized-crop": lambda: v2.RandomResizedCrop(image_size, antialias=True),
        "color": lambda: v2.ColorJitter(brightness=0.4, contrast=0.4, saturation=0.4),
        "rand-augment": v2.RandAugment,
        "trivial-augment": v2.TrivialAugmentWide,
    }
    of_bytes = [known[name]() for name in names if name != "erasing"]
    of_numbers = [v2.RandomErasing()] if "erasing" in names else []
    there = [v2.ToDtype(torch.uint8, scale=True)]
    back = [v2.Lambda(lambda image: image.to(torch.float32).div_(255))]  # as `Images.tensor` rounds
    if mean is not None:
        negative = [-middle / spread for middle, spread in zip(mean, std, strict=True)]
        there.insert(0, v2.Normalize(negative, [1 / spread for spread in std]))
        back.append(v2.Normalize(mean, std))
    return v2.Compose([*there, *of_bytes, *back, *of_numbers])
