"""Masks and boxes of PASCAL VOC 2012 (Everingham et al. 2015, DOI 10.1007/s11263-014-0733-5), by torchvision."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from lineage.data.sources.samples import Annotated
from lineage.data.sources.torchvision_names import VOC
from lineage.data.sources.torchvision_sets import opened, place_of, torchvision_examples
from lineage.types.scoring import Data

if TYPE_CHECKING:
    from torch.utils.data import Dataset

OBJECTS = [
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable"),
    *("dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
]


def voc(data: Data, task: str) -> Annotated:
    """The images that `data` names; its test split is VOC's `val`, as the test split's annotations are not public.

    Raises:
        UserError: for what torchvision cannot read or fetch.
    """
    from torchvision import datasets

    download = data.download
    where = place_of(VOC[task], data.split, data.root)
    dataset_class = getattr(datasets, VOC[task])
    image_set = {"test": "val"}.get(data.split, data.split)

    def unpacked_once(folder: Path) -> "Dataset":
        done = folder / f"{VOC[task]}.unpacked"  # torchvision would unpack the archive at every download
        dataset = dataset_class(str(folder), image_set=image_set, download=download and not done.exists())
        if download:
            done.touch()
        return dataset

    dataset = opened(unpacked_once, data.root, download, where)
    if task == "segmentation":
        return Annotated(len(dataset), _masked(dataset, where), ["background", *OBJECTS])
    return Annotated(len(dataset), _boxed(dataset, where), OBJECTS)


def _masked(dataset: "Dataset", where: str) -> Iterator[tuple[str, Image.Image, Image.Image]]:
    for place, picture, mask in torchvision_examples(dataset, where):
        grey = Image.frombytes("L", mask.size, mask.tobytes())  # the numbers, not the palette's colours
        yield place, picture, grey


def _boxed(dataset: "Dataset", where: str) -> Iterator[tuple[str, Image.Image, dict[str, list[Any]]]]:
    """VOC counts pixels from 1, and its boxes hold their last pixel."""
    for place, picture, described in torchvision_examples(dataset, where):
        objects = described["annotation"]["object"]
        corners = [
            [float(thing["bndbox"][key]) for key in ("xmin", "ymin", "xmax", "ymax")] for thing in objects
        ]
        boxes = [[x1 - 1, y1 - 1, x2, y2] for x1, y1, x2, y2 in corners]
        yield place, picture, {"bbox": boxes, "category": [OBJECTS.index(thing["name"]) for thing in objects]}
