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

import contextlib
import inspect
import io
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from lineage.decoding import MODES, LazyPixels, fitted
from lineage.errors import UserError
from lineage.writing import alone_in

if TYPE_CHECKING:
    import pyarrow as pa
    import torch
    from torch.utils.data import Dataset

RESOURCES = Path(__file__).parent.parent / "resources"
SCHEMES = ("embedded", "parquet", "folder", "sklearn", "torchvision", "noise")
NOISE = 4096  # images
IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp"}
TORCHVISION = (
    *("CIFAR10", "CIFAR100", "Country211", "DTD", "FGVCAircraft", "FashionMNIST", "Flowers102", "Food101"),
    *("EMNIST-balanced", "EMNIST-byclass", "EMNIST-bymerge", "EMNIST-digits", "EMNIST-letters"),
    *("EMNIST-mnist", "StanfordCars", "USPS"),
    *("GTSRB", "KMNIST", "MNIST", "OxfordIIITPet", "PCAM", "QMNIST", "RenderedSST2", "STL10", "SVHN"),
)
VOC = {"segmentation": "VOCSegmentation", "detection": "VOCDetection"}
"""torchvision's data for other tasks than classification."""
TRAIN_AND_TEST = {"train": True, "test": False}
MOST_CLASSES = 1_000_000  # a larger label is no class, and would make as many class names


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
        samples = _read_parquet(_parquet_path(scheme, name, split))
    elif scheme == "folder":
        samples = _read_folder(_folder_path(name, split))
    elif scheme == "sklearn":
        samples = _read_digits(split)
    elif scheme == "noise":
        samples = _noise(split, size, channels)
    else:
        samples = _read_torchvision(name, split, root, download)
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


@dataclass(frozen=True)
class _Samples:
    """What every reader gives. Without class names the classes are "0", "1", ... up to the largest label."""

    where: str
    examples: Iterable[tuple[str, Image.Image, int]]  # where each image lies, the image, its label
    ids: list[str]
    class_names: list[str] | None
    labels: np.ndarray | None = (
        None  # where they are known before the images, which then can be had one by one:
    )
    example: Callable[[int], tuple[str, Image.Image]] | None = None


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
    if scheme == "torchvision" and name not in (known := (*TORCHVISION, *VOC.values())):
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


def _stacked(samples: _Samples, size: int | None, channels: int) -> tuple[np.ndarray, np.ndarray]:
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


def _lazy(samples: _Samples, size: int, channels: int) -> LazyPixels:
    def decode(row: int) -> np.ndarray:
        where, picture = samples.example(row)
        return fitted(picture, where, size=size, channels=channels)

    return LazyPixels(decode, (len(samples.ids), size, size, channels))


def decoded(file: Path | io.BytesIO, where: str) -> Image.Image:
    """The image in a file, whole; UserError, beginning with `where`, if there is none."""
    try:
        with Image.open(file) as picture:
            picture.load()
    except (OSError, EOFError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        reason = "bytes of no known kind" if isinstance(error, UnidentifiedImageError) else _brief(error)
        raise UserError(f"{where}: expected an image (PNG, JPEG), got {reason}; mend or drop it") from None
    return picture


def _brief(error: Exception) -> str:
    """The first line of an error."""
    return next(iter(str(error).splitlines()), type(error).__name__)


def _read_parquet(path: Path) -> _Samples:
    """Columns `image` struct{bytes, path} and `label`; class names from the metadata `class_names`."""
    table = _parquet_table(path)
    labels = _labels_of(table, path)
    images = table["image"].to_pylist()
    paths = [image.get("path") if image else None for image in images]
    named = None not in paths and len(set(paths)) == len(paths)
    ids = paths if named else [f"{path.stem}-{row:06d}" for row in range(len(images))]

    def example(row: int) -> tuple[str, Image.Image]:
        where, image = f"{path}: column 'image', row {row}", images[row]
        if not image or image["bytes"] is None:
            raise UserError(f"{where}: expected the bytes of an image, got none; store them in 'bytes'")
        return where, decoded(io.BytesIO(image["bytes"]), where)

    return _Samples(
        where=str(path),
        examples=((*example(row), label) for row, label in enumerate(labels)),
        ids=ids,
        class_names=_class_names_of(table, path),
        labels=labels,
        example=example,
    )


def _check_looks_like_parquet(path: Path) -> None:
    """Raises for a file that is something else, or cut off, saying what it looks like."""
    with path.open("rb") as file:
        head = file.read(200)
        file.seek(-min(4, path.stat().st_size), io.SEEK_END)
        tail = file.read()
    if head.startswith(b"version https://git-lfs"):
        raise UserError(f"{path}: expected a Parquet file, got a Git LFS pointer to one; run 'git lfs pull'")
    if head.lstrip()[:1] == b"<":
        raise UserError(f"{path}: expected a Parquet file, got a web page (HTML); download the file itself")
    if not head.startswith(b"PAR1"):
        came = f"one that begins with {head[:4]!r}" if head else "an empty file"
        raise UserError(f"{path}: expected a Parquet file, got {came}; give another file")
    if tail != b"PAR1":
        raise UserError(f"{path}: expected a Parquet file, got one that is cut off; fetch or write it again")


def _parquet_table(path: Path) -> "pa.Table":
    import pyarrow as pa
    import pyarrow.parquet as pq

    _check_looks_like_parquet(path)
    try:
        _check_columns(pq.read_schema(path), path)
        return pq.read_table(path, columns=["image", "label"])
    except (pa.ArrowException, OSError) as error:
        raise UserError(
            f"{path}: expected Parquet, got a damaged file ({_brief(error)}); write it again"
        ) from None


def _check_columns(schema: "pa.Schema", path: Path) -> None:
    """Raises for a missing column and for one of another type."""
    from pyarrow import types

    for column in ("image", "label"):
        if column not in schema.names:
            found = ", ".join(schema.names) or "none"
            raise UserError(f"{path}: column {column!r} is missing, found {found}; rename or add it")
    image, label = schema.field("image").type, schema.field("label").type
    encoded = image.field("bytes").type if types.is_struct(image) and "bytes" in image.names else None
    if encoded is None or not (types.is_binary(encoded) or types.is_large_binary(encoded)):
        raise UserError(
            f"{path}: column 'image': expected struct<bytes: binary, path: string>, got {image}; convert it"
        )
    if not types.is_integer(label):
        raise UserError(f"{path}: column 'label': expected whole numbers (int64), got {label}; convert it")


def _labels_of(table: "pa.Table", path: Path) -> np.ndarray:
    labels = table["label"].to_pylist()
    for row, label in enumerate(labels):
        if label is None or not 0 <= label < MOST_CLASSES:
            raise UserError(
                f"{path}: column 'label', row {row}: expected 0 to {MOST_CLASSES - 1}, "
                f"got {'nothing' if label is None else label}; correct the label"
            )
    return np.array(labels, dtype=np.int64)


def _class_names_of(table: "pa.Table", path: Path) -> list[str] | None:
    metadata = (table.schema.metadata or {}).get(b"class_names")
    if metadata is None:
        return None
    try:
        names = json.loads(metadata)
    except ValueError:
        names = None
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise UserError(
            f"{path}: metadata 'class_names': expected a JSON list of strings, got {metadata[:60]!r}; mend it"
        )
    return names


def _read_folder(path: Path) -> _Samples:
    """Class folders in sorted order give the labels; files below them, in sorted order, the images."""
    folders = sorted(item for item in path.iterdir() if item.is_dir() and not item.name.startswith("."))
    if not folders:
        raise UserError(f"{path}: expected one folder a class with image files in it, found none; add them")
    files = [(file, label) for label, folder in enumerate(folders) for file in _image_files(folder)]
    return _Samples(
        where=str(path),
        examples=((str(file), decoded(file, str(file)), label) for file, label in files),
        ids=[file.relative_to(path).as_posix() for file, _ in files],
        class_names=[folder.name for folder in folders],
    )


def _image_files(folder: Path) -> list[Path]:
    files = sorted(
        file for file in folder.rglob("*.*") if file.suffix.lower() in IMAGE_SUFFIXES and file.is_file()
    )
    if not files:
        raise UserError(
            f"{folder}: expected image files of this class, found none; add some or drop the folder"
        )
    return files


def _read_digits(split: str) -> _Samples:
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
    return _Samples(
        where="sklearn:digits",
        examples=((f"digit {index}", Image.fromarray(pixels[index]), digits.target[index]) for index in kept),
        ids=[f"digits-{index:04d}" for index in kept],
        class_names=[str(name) for name in digits.target_names],
    )


def _noise(split: str, size: int | None, channels: int) -> _Samples:
    """Uniform pixels, drawn from the split's name."""
    if size is None:
        raise UserError("noise:uniform: expected a size, as noise has none of its own; set one")
    generator = np.random.default_rng(list(split.encode()))
    shape = (NOISE, size, size) if channels == 1 else (NOISE, size, size, channels)
    pixels = generator.integers(0, 256, shape, dtype=np.uint8)
    return _Samples(
        where="noise:uniform",
        examples=((f"noise {index}", Image.fromarray(image), 0) for index, image in enumerate(pixels)),
        ids=[f"noise-{split}-{index:04d}" for index in range(NOISE)],
        class_names=["noise"],
    )


def _read_torchvision(name: str, split: str, root: str | Path, download: bool) -> _Samples:
    where = f"torchvision:{name}, split {split!r}, folder {root}"
    dataset = torchvision_dataset(name, split, root, download, where)
    return _Samples(
        where=where,
        examples=torchvision_examples(dataset, where),
        ids=[f"{name}-{split}-{index:06d}" for index in range(len(dataset))],
        class_names=[str(label) for label in getattr(dataset, "classes", [])] or None,
    )


def torchvision_examples(dataset: "Dataset", where: str) -> Iterator[tuple[str, Image.Image, Any]]:
    """Each image's place for messages, the image, and what it is labelled with."""
    for index in range(len(dataset)):
        try:
            picture, label = dataset[index]
        except OSError as error:
            raise UserError(
                f"{where}, image {index}: unreadable ({_brief(error)}); fetch the data again"
            ) from None
        yield f"{where}, image {index}", picture, label


def torchvision_dataset(name: str, split: str, root: str | Path, download: bool, where: str) -> "Dataset":
    """The data set, its split chosen by whichever of `train`, `image_set` and `split` its class takes.

    Raises:
        UserError: for a split or files that are not there, or cannot be fetched; it begins with `where`.
    """
    from torchvision import datasets

    class_name, _, kind = name.partition("-")
    dataset_class = getattr(datasets, class_name)
    if kind or "train" in inspect.signature(dataset_class).parameters:
        if split not in TRAIN_AND_TEST:
            raise UserError(f"{where}: expected split train or test; correct it")
        choice = {"train": TRAIN_AND_TEST[split]} | ({"split": kind} if kind else {})
    elif class_name in VOC.values():
        choice = {"image_set": {"test": "val"}.get(split, split)}
    else:
        choice = {"split": "trainval" if (name, split) == ("OxfordIIITPet", "train") else split}
    folder = Path(root).expanduser()
    try:
        with alone_in(folder) if download else contextlib.nullcontext():
            if class_name in VOC.values():
                return _unpacked_once(dataset_class, folder, download, choice)
            return dataset_class(str(folder), download=download, **choice)
    except Exception as error:  # torchvision lets through whatever its readers and downloads meet
        raise UserError(
            f"{where}: torchvision says: {_brief(error)}; correct the split, put the files there, "
            "or set download: true"
        ) from error


def _unpacked_once(dataset_class: type, folder: Path, download: bool, choice: dict) -> "Dataset":
    """A data set that torchvision would unpack anew at every download."""
    done = folder / f"{dataset_class.__name__}.unpacked"
    dataset = dataset_class(str(folder), download=download and not done.exists(), **choice)
    if download:
        done.touch()
    return dataset
