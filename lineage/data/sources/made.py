"""Images that need no file: the digits of scikit-learn, and noise."""

import numpy as np
from PIL import Image

from lineage.data.sources.samples import Samples
from lineage.errors import UserError

NOISE = 4096  # images


def read_digits(split: str) -> Samples:
    """8x8 pixels, 0..16 scaled to 0..255. "test" is every fifth image of a class, in order of the set."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    is_test = np.zeros(len(digits.target), dtype=bool)
    for label in range(10):
        is_test[np.flatnonzero(digits.target == label)[4::5]] = True
    splits = {"all": np.ones_like(is_test), "train": ~is_test, "test": is_test}
    if split not in splits:
        raise UserError(f"sklearn:digits: expected split all, train or test, got {split!r}; correct it")
    kept = np.flatnonzero(splits[split])
    pixels = np.rint(digits.images * (255 / 16)).astype(np.uint8)
    return Samples(
        where="sklearn:digits",
        examples=((f"digit {index}", Image.fromarray(pixels[index]), digits.target[index]) for index in kept),
        ids=[f"digits-{index:04d}" for index in kept],
        class_names=[str(name) for name in digits.target_names],
    )


def make_noise(split: str, size: int | None, channels: int) -> Samples:
    """Uniform pixels, drawn from the split's name."""
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
