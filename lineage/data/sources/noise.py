"""Images of independent uniform pixels."""

import numpy as np
from PIL import Image

from lineage.data.sources.samples import Samples
from lineage.errors import UserError

NOISE = 4096  # images


def read_noise(split: str, size: int | None, channels: int) -> Samples:
    """Images of `size` x `size` uniform pixels, drawn from the split's name; all are of one class.

    Raises:
        UserError: without a size.
    """
    if size is None:
        raise UserError("noise:uniform: expected a size, as noise has none of its own; set one")
    generator = np.random.default_rng(list(split.encode()))
    shape = (NOISE, size, size) if channels == 1 else (NOISE, size, size, channels)
    pixels = generator.integers(0, 256, shape, dtype=np.uint8)
    return Samples(
        where="noise:uniform",
        examples=((f"noise {index}", Image.fromarray(image), 0) for index, image in enumerate(pixels)),
        ids=[f"noise-{split}-{index:04d}" for index in range(NOISE)],
        class_names=["noise"],
    )
