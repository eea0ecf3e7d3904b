"""Images with more than a class each: masks or boxes, from a Parquet file or from PASCAL VOC."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image

from lineage.data.decoding import fitted
from lineage.data.source_files import source_files
from lineage.data.sources.parquet_images import class_names_of, image_of, parquet_table
from lineage.data.sources.samples import Annotated
from lineage.errors import UserError
from lineage.types.scoring import Data, Network

COLUMNS = {"segmentation": "mask", "detection": "objects"}
"""What a Parquet file has besides `image`, by task."""


def annotated(data: Data, task: str) -> Annotated:
    """The images that a configuration's `data` names for a task.

    Raises:
        UserError: for files that cannot be read, a missing column, or class names that are not there.
    """
    if data.source.startswith("torchvision:"):
        from lineage.data.sources.voc import voc

        return voc(data, task)
    return _of_parquet(data, task)


def _of_parquet(data: Data, task: str) -> Annotated:
    (path,) = map(Path, source_files(data.source, data.split))
    column = COLUMNS[task]
    table = parquet_table(path, ["image", column])
    if (class_names := class_names_of(table, path)) is None:
        raise UserError(f"{path}: expected the metadata 'class_names', a JSON list; add it")
    return Annotated(len(table), _rows(table, column, path), class_names)


def _rows(table: pa.Table, column: str, path: Path) -> Iterator[tuple[str, Image.Image, Any]]:
    rows = zip(table["image"].to_pylist(), table[column].to_pylist(), strict=True)
    for row, (image, annotation) in enumerate(rows):
        picture = image_of(image, f"{path}: column 'image', row {row}")
        where = f"{path}: column {column!r}, row {row}"
        yield where, picture, image_of(annotation, where) if column == "mask" else annotation


def stretched(
    found: Annotated, network: Network, take: Callable[[str, Image.Image, Any], np.ndarray]
) -> tuple[dict, list[np.ndarray]]:
    """What all kinds of `Images` have, in the network's size and channels; and what `take` makes of annotations.

    As whole images they have no class, so their labels are all 0.

    Args:
        found: the N images, as they are stored.
        network: gives image_size and channels.
        take: from an image's place for messages, the image and its annotation, what stands in the second list; it
            may raise a UserError.

    Returns:
        Fields of `Images`, their pixels uint8 [N, H, W, C]; and the N annotations.
    """
    size, channels = network.image_size, network.channels
    pixels = np.empty((found.count, size, size, channels), dtype=np.uint8)
    taken = []
    for row, (where, picture, annotation) in enumerate(found.examples):
        pixels[row] = fitted(picture, where, size=size, channels=channels)
        taken.append(take(where, picture, annotation))
    fields = {
        "pixels": pixels,
        "labels": np.zeros(found.count, dtype=np.int64),
        "ids": [f"{row:06d}" for row in range(found.count)],
        "class_names": found.class_names,
        "mean": network.mean,
        "std": network.std,
    }
    return fields, taken
