"""Labelled images from one of six kinds of source, all in memory as uint8.

- `embedded:NAME`: resources/NAME/{split}.parquet, part of this repository.
- `parquet:PATH`: a Parquet file in the layout of Hugging Face; PATH may contain {split}.
- `folder:PATH`: one folder of image files a class, as ImageFolder of torchvision; PATH may contain {split}.
- `sklearn:digits`: the 1,797 digits of scikit-learn; split "all", or its parts "train" and "test".
- `torchvision:NAME`: a data set of torchvision under `root`, fetched there with `download`; its class of that
  name, EMNIST with its kind, as in `torchvision:EMNIST-letters`. OxfordIIITPet calls its "train" "trainval".
- `noise:uniform`: images of independent pixels, for a probe that shows nothing; one class.

PATH without {split} means the same images whatever the split.
A source that is not there is an error, never another source.
Letters: N images, H height, W width, C channels.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np

from lineage.data.decoding import MODES, LazyPixels, fitted
from lineage.data.images import Images, of_classes
from lineage.data.source_files import folder_path, parquet_path, split_source
from lineage.data.sources.digits import read_digits
from lineage.data.sources.folder import read_folder
from lineage.data.sources.noise import read_noise
from lineage.data.sources.parquet_images import read_parquet
from lineage.data.sources.samples import Samples
from lineage.data.sources.torchvision_sets import read_torchvision
from lineage.errors import UserError
from lineage.types.scoring import Data, Network


def load_images(
    source: str,
    *,
    split: str,
    size: int | None,
    channels: int,
    root: str | Path = "data",
    download: bool = False,
    lazily: bool = False,
) -> Images:
    """All images of one split of a source, in the order of the source.

    Images are converted to `channels` (1 grey, 3 RGB; transparency is dropped). Those not of `size` x `size`
    pixels are stretched to that bilinearly; with `size=None` all must share one size. `root` and `download`
    concern torchvision alone. With `lazily` a Parquet file's images are decoded, and their mistakes found, when
    they are first asked for. Raises UserError, naming file, column and row.
    """
    if channels not in MODES:
        raise UserError(f"channels: expected 1 (grey) or 3 (RGB), got {channels!r}; correct it")
    if size is not None and size < 1:
        raise UserError(f"size: expected 1 or more pixels, or null to keep them, got {size!r}; correct it")
    scheme, name = split_source(source)
    if scheme in ("embedded", "parquet"):
        samples = read_parquet(parquet_path(scheme, name, split))
    elif scheme == "folder":
        samples = read_folder(folder_path(name, split))
    elif scheme == "sklearn":
        samples = read_digits(split)
    elif scheme == "noise":
        samples = read_noise(split, size, channels)
    else:
        samples = read_torchvision(name, split, root, download)
    if not samples.ids:
        raise UserError(f"{samples.where}: expected labelled images, found none; give another file or split")
    if lazily and samples.labels is not None and size is not None:
        pixels, labels = _lazy(samples, size, channels), samples.labels
    else:
        pixels, labels = _stacked(samples, size, channels)
    class_names = samples.class_names or [str(label) for label in range(int(labels.max()) + 1)]
    _check_labels(labels, class_names, samples.where)
    return Images(pixels=pixels, labels=labels, ids=samples.ids, class_names=class_names)


def load_data(data: Data, network: Network) -> Images:
    """The images that a configuration's `data` names, in the size and channels that its `network` takes.

    Raises:
        UserError: for a class that the data lack.
    """
    if network.task == "segmentation":
        from lineage.data.masks import load_masked

        return load_masked(data, network)
    if network.task == "detection":
        from lineage.data.boxes import load_boxed

        return load_boxed(data, network)
    images = load_images(
        data.source,
        split=data.split,
        size=network.image_size,
        channels=network.channels,
        root=data.root,
        download=data.download,
        lazily=True,
    )
    images = replace(images, mean=network.mean, std=network.std)
    return of_classes(images, data.classes, data.source) if data.classes else images


def _check_labels(labels: np.ndarray, class_names: list[str], where: str) -> None:
    """Raises for the first label that is no index into the class names."""
    outside = (labels < 0) | (labels >= len(class_names))
    if outside.any():
        row = int(outside.argmax())
        raise UserError(
            f"{where}: column 'label', row {row}: expected 0 to {len(class_names) - 1}, an index into the "
            f"{len(class_names)} class names, got {labels[row]}; correct the label"
        )


def _stacked(samples: Samples, size: int | None, channels: int) -> tuple[np.ndarray, np.ndarray]:
    """Pixels uint8 [N, H, W, C] and labels int64 [N], decoded one by one to hold each image once."""
    pixels, labels = None, np.empty(len(samples.ids), dtype=np.int64)
    for index, (where, picture, label) in enumerate(samples.examples):
        image = fitted(picture, where, size=size, channels=channels)
        if pixels is None:
            pixels = np.empty((len(labels), *image.shape), dtype=np.uint8)
        if image.shape != pixels.shape[1:]:
            raise UserError(
                f"{where}: expected {pixels.shape[2]}x{pixels.shape[1]} pixels as in the first image, got "
                f"{image.shape[1]}x{image.shape[0]}; set a size to bring all images to"
            )
        pixels[index], labels[index] = image, label
    return pixels, labels


def _lazy(samples: Samples, size: int, channels: int) -> LazyPixels:
    def decode(row: int) -> np.ndarray:
        where, picture = samples.example(row)
        return fitted(picture, where, size=size, channels=channels)

    return LazyPixels(decode, (len(samples.ids), size, size, channels))
