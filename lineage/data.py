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

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lineage.decoding import MODES, LazyPixels, fitted
from lineage.errors import UserError
from lineage.sources.folder import read_folder
from lineage.sources.made import make_noise, read_digits
from lineage.sources.parquet_images import read_parquet
from lineage.sources.samples import Samples
from lineage.sources.torchvision_sets import CLASSIFICATION, VOC, read_torchvision

if TYPE_CHECKING:
    import torch

RESOURCES = Path(__file__).parent.parent / "resources"
SCHEMES = ("embedded", "parquet", "folder", "sklearn", "torchvision", "noise")


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
    scheme, name = _split_source(source)
    if scheme in ("embedded", "parquet"):
        samples = read_parquet(_parquet_path(scheme, name, split))
    elif scheme == "folder":
        samples = read_folder(_folder_path(name, split))
    elif scheme == "sklearn":
        samples = read_digits(split)
    elif scheme == "noise":
        samples = make_noise(split, size, channels)
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


def load_data(data: dict, network: dict) -> Images:
    """The images that a configuration's `data` names, in the size and channels that its `network` takes.

    Raises:
        UserError: for a class that the data lack.
    """
    if network.get("task") == "segmentation":
        from lineage.segmentation import load_masked

        return load_masked(data, network)
    if network.get("task") == "detection":
        from lineage.detection import load_boxed

        return load_boxed(data, network)
    images = load_images(
        data["source"],
        split=data["split"],
        size=network["image_size"],
        channels=network["channels"],
        root=data["root"],
        download=data["download"],
        lazily=True,
    )
    images = replace(images, mean=network.get("mean"), std=network.get("std"))
    return of_classes(images, data["classes"], data["source"]) if "classes" in data else images


def of_classes(images: Images, classes: Sequence[int], where: str) -> Images:
    """The images of some classes alone, renumbered in the order given; UserError for an unknown one."""
    if unknown := [label for label in classes if label >= len(images.class_names)]:
        raise UserError(
            f"{where}: classes: expected numbers below {len(images.class_names)}, but got {unknown[0]}"
        )
    kept = np.flatnonzero(np.isin(images.labels, classes))
    place = {label: number for number, label in enumerate(classes)}
    return replace(
        images,
        pixels=images.pixels[kept],
        labels=np.array([place[label] for label in images.labels[kept]], dtype=np.int64),
        ids=[images.ids[number] for number in kept],
        class_names=[images.class_names[label] for label in classes],
    )


def source_files(source: str, split: str) -> list[str]:
    """Files of a source that a workflow tracks as inputs: the Parquet file, or none for the other kinds.

    Paths below the working folder are relative to it, so that moving a checkout makes no input look new.
    Raises UserError where the kind is unknown or its file or folder is missing.
    """
    scheme, name = _split_source(source)
    if scheme in ("embedded", "parquet"):
        path = _parquet_path(scheme, name, split)
        return [str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)]
    if scheme == "folder":
        _folder_path(name, split)
    return []


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


def _split_source(source: str) -> tuple[str, str]:
    """The kind of a source and the rest, each checked as far as no file is needed."""
    scheme, _, name = source.partition(":")
    if scheme not in SCHEMES or not name:
        kinds = ", ".join(f"{kind}:..." for kind in SCHEMES)
        raise UserError(f"source {source!r}: expected one of {kinds}; correct it")
    if scheme == "sklearn" and name != "digits":
        raise UserError(f"source {source!r}: scikit-learn ships the images 'sklearn:digits' only; name that")
    if scheme == "noise" and name != "uniform":
        raise UserError(f"source {source!r}: expected noise:uniform; name that")
    if scheme == "torchvision" and name not in (known := (*CLASSIFICATION, *VOC.values())):
        raise UserError(
            f"source {source!r}: expected one of torchvision's {', '.join(known)}; name one of them"
        )
    return scheme, name


def _parquet_path(scheme: str, name: str, split: str) -> Path:
    if scheme == "embedded":
        path = RESOURCES / name / f"{split}.parquet"
        if not path.is_file():
            there = sorted(f"{file.parent.name} {file.stem}" for file in RESOURCES.glob("*/*.parquet"))
            raise UserError(
                f"{path}: no such embedded data, found {', '.join(there) or 'none'}; name one of them"
            )
        return path
    path = Path(name.replace("{split}", split)).expanduser()
    if not path.is_file():
        raise UserError(f"{path}: expected a Parquet file of images, found none; correct 'parquet:{name}'")
    return path


def _folder_path(name: str, split: str) -> Path:
    path = Path(name.replace("{split}", split)).expanduser()
    if not path.is_dir():
        raise UserError(f"{path}: expected a folder of class folders, found none; correct 'folder:{name}'")
    return path


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
