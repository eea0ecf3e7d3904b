"""The digits of scikit-learn, which need no file."""

import numpy as np
from PIL import Image

from lineage.data.sources.samples import Samples
from lineage.errors import UserError


def read_digits(split: str) -> Samples:
    """8x8 grey pixels, 0..16 scaled to 0..255. "test" is every fifth image of a class, in order of the set.

    Raises:
        UserError: for a split other than all, train and test.
    """
    from sklearn.datasets import load_digits

    digits = load_digits()
    is_test = np.zeros(len(digits.target), dtype=bool)
    for label in range(10):
        is_test[np.flatnonzero(digits.target == label)[4::5]] = True
    splits = {"all": np.ones_like(is_test), "train": ~is_test, "test": is_test}
    if split not in splits:
        raise UserError(f"sklearn:digits: expected split all, train or test, got {split!r}; correct it")
    chosen = np.flatnonzero(splits[split])
    pixels = np.rint(digits.images * (255 / 16)).astype(np.uint8)
    return Samples(
        where="sklearn:digits",
        examples=(
            (f"digit {index}", Image.fromarray(pixels[index]), digits.target[index]) for index in chosen
        ),
        ids=[f"digits-{index:04d}" for index in chosen],
        class_names=[str(name) for name in digits.target_names],
    )
