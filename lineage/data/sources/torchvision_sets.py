"""Data sets of torchvision, fetched where that is asked for."""

import contextlib
import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from lineage.data.sources.samples import Samples
from lineage.errors import UserError, one_line
from lineage.storage.atomic import alone_in

if TYPE_CHECKING:
    from torch.utils.data import Dataset

TRAIN_AND_TEST = {"train": True, "test": False}


def read_torchvision(name: str, split: str, root: str | Path, download: bool) -> Samples:
    """A data set for classification, its split chosen by whichever of `train` and `split` its class takes.

    Raises:
        UserError: for a split or files that are not there, or cannot be fetched.
    """
    from torchvision import datasets

    where = place_of(name, split, root)
    class_name, _, kind = name.partition("-")
    dataset_class = getattr(datasets, class_name)
    if kind or "train" in inspect.signature(dataset_class).parameters:
        if split not in TRAIN_AND_TEST:
            raise UserError(f"{where}: expected split train or test; correct it")
        choice = {"train": TRAIN_AND_TEST[split]} | ({"split": kind} if kind else {})
    else:
        choice = {"split": "trainval" if (name, split) == ("OxfordIIITPet", "train") else split}

    def make(folder: Path) -> "Dataset":
        return dataset_class(str(folder), download=download, **choice)

    dataset = opened(make, root, download, where)
    return Samples(
        where=where,
        examples=torchvision_examples(dataset, where),
        ids=[f"{name}-{split}-{index:06d}" for index in range(len(dataset))],
        class_names=[str(label) for label in getattr(dataset, "classes", [])] or None,
    )


def place_of(name: str, split: str, root: str | Path) -> str:
    """How messages call a data set."""
    return f"torchvision:{name}, split {split!r}, folder {root}"


def opened(make: Callable[[Path], "Dataset"], root: str | Path, download: bool, where: str) -> "Dataset":
    """The data set that `make` gives for a folder; of those that may fetch there, one at a time.

    Raises:
        UserError: beginning with `where`, whatever hinders torchvision.
    """
    folder = Path(root).expanduser()
    try:
        with alone_in(folder) if download else contextlib.nullcontext():
            return make(folder)
    except Exception as error:  # torchvision lets through whatever its readers and downloads meet
        raise UserError(
            f"{where}: torchvision says: {one_line(error)}; correct the split, put the files there, "
            "or set download: true"
        ) from error


def torchvision_examples(dataset: "Dataset", where: str) -> Iterator[tuple[str, Image.Image, Any]]:
    """Each image's place for messages, the image, and what it is labelled with.

    Raises:
        UserError: for an image that cannot be read.
    """
    for index in range(len(dataset)):
        try:
            picture, label = dataset[index]
        except OSError as error:
            raise UserError(
                f"{where}, image {index}: unreadable ({one_line(error)}); fetch the data again"
            ) from None
        yield f"{where}, image {index}", picture, label
