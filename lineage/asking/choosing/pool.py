"""Inputs to choose queries from: images of a source as they are, and mixes of two of them. N inputs of H x W x C."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lineage.data.decoding import check_all, decoded, fitted
from lineage.data.images import Images, stratified_subset
from lineage.data.load import load_images
from lineage.data.sources.folder import IMAGE_SUFFIXES
from lineage.errors import UserError

NOISE = "noise"
NATURAL, MIXED = 1500, 2500
"""Of a source's images, and of mixes, at most."""
SHARES = (0.35, 0.65)
"""How much of the first image is in a mix."""


@dataclass(frozen=True, kw_only=True)
class Pool:
    """Inputs.

    images: uint8 [N, H, W, C]; labels: int64 [N], of a mix that of the image that it holds more of; natural: how many
    are images as they are, which come before the mixes.
    """

    images: np.ndarray
    labels: np.ndarray
    natural: int


def pool_of(images: Images, seed: int) -> Pool:
    """Images drawn evenly over the classes, and mixes of random pairs of them; all follows from the seed."""
    generator = np.random.default_rng(seed)
    chosen = stratified_subset(images.labels, min(NATURAL, len(images)), generator)
    pixels, labels = np.asarray(images.pixels[chosen]), images.labels[chosen]
    pairs = generator.integers(0, len(chosen), (MIXED, 2))
    share = generator.uniform(*SHARES, MIXED)
    weights = share[:, None, None, None]
    mixes = np.rint(weights * pixels[pairs[:, 0]] + (1 - weights) * pixels[pairs[:, 1]]).astype(np.uint8)
    larger = np.where(share > 0.5, pairs[:, 0], pairs[:, 1])
    return Pool(
        images=np.concatenate([pixels, mixes]),
        labels=np.concatenate([labels, labels[larger]]),
        natural=len(chosen),
    )


def images_of(given: str, *, size: int, channels: int) -> Images:
    """The images of a folder, with or without a folder a class, of a Parquet file, of another source, or noise.

    Raises:
        UserError: for a source that is not there, or holds no images.
    """
    path = Path(given)
    if given == NOISE:
        return load_images("noise:uniform", split="test", size=size, channels=channels)
    if path.is_dir() and (files := _images_in(path)):
        check_all(path, files)
        pixels = [_pixels(file, size, channels) for file in files]
        return Images(
            pixels=np.stack(pixels),
            labels=np.zeros(len(files), dtype=np.int64),
            ids=[file.name for file in files],
            class_names=["unknown"],
        )
    if ":" not in given and not path.exists():
        raise UserError(
            f"{given}: expected a folder of images, a Parquet file, or noise, found nothing there"
        )
    source = given if ":" in given else f"folder:{given}" if path.is_dir() else f"parquet:{given}"
    return load_images(source, split="test", size=size, channels=channels)


def _images_in(folder: Path) -> list[Path]:
    """The images that lie in the folder itself, in order of their names."""
    return sorted(
        file
        for file in folder.iterdir()
        if file.is_file() and file.suffix.lower() in IMAGE_SUFFIXES and not file.name.startswith(".")
    )


def _pixels(file: Path, size: int, channels: int) -> np.ndarray:
    return fitted(decoded(file, str(file)), str(file), size=size, channels=channels)
