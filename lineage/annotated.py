"""Images with more than a class each: masks or boxes, from a Parquet file or from PASCAL VOC."""

import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from lineage.data import decoded, source_files
from lineage.decoding import fitted
from lineage.errors import UserError

COLUMNS = {"segmentation": "mask", "detection": "objects"}
"""What a Parquet file has besides `image`, by task."""


@dataclass(frozen=True)
class Annotated:
    """Images with masks or boxes, read one by one.

    Attributes:
        count: of images.
        examples: each image's place for messages, the image, and its annotation: a mask as a grey image of class
            numbers, 255 for none; or {bbox: [[x1, y1, x2, y2], ...], category: [...]} in pixels of the image.
        class_names: of the classes in annotations.
    """

    count: int
    examples: Iterator[tuple[str, Image.Image, Any]]
    class_names: list[str]


def annotated(data: dict, task: str) -> Annotated:
    """The images that a configuration's `data` names for a task.

    Raises:
        UserError: for files that cannot be read, a missing column, or class names that are not there.
    """
    if data["source"].startswith("torchvision:"):
        from lineage.voc import voc

        return voc(data, task)
    return _of_parquet(data, task)


def _of_parquet(data: dict, task: str) -> Annotated:
    (path,) = source_files(data["source"], data["split"])
    try:
        table = pq.read_table(path)
    except (pa.ArrowException, OSError):
        raise UserError(f"{path}: expected a Parquet file, but it cannot be read; write it again") from None
    column = COLUMNS[task]
    if missing := [name for name in ("image", column) if name not in table.column_names]:
        raise UserError(
            f"{path}: expected columns image and {column} for {task}, but {missing[0]} is missing, found "
            f"{', '.join(table.column_names)}"
        )
    class_names = json.loads((table.schema.metadata or {}).get(b"class_names", b"[]"))
    if not class_names:
        raise UserError(f"{path}: expected the metadata 'class_names', a JSON list; add it")
    return Annotated(len(table), _rows(table, column, path), class_names)


def _rows(table: pa.Table, column: str, path: str) -> Iterator[tuple[str, Image.Image, Any]]:
    rows = zip(table["image"].to_pylist(), table[column].to_pylist(), strict=True)
    for row, (image, annotation) in enumerate(rows):
        picture = decoded(io.BytesIO(image["bytes"]), f"{path}: column 'image', row {row}")
        where = f"{path}: column {column!r}, row {row}"
        if column == "mask":
            annotation = decoded(io.BytesIO(annotation["bytes"]), where)
        yield where, picture, annotation


def stretched(
    found: Annotated, network: dict, take: Callable[[str, Image.Image, Any], np.ndarray]
) -> tuple[dict, list[np.ndarray]]:
    """What all kinds of `Images` have, in the network's size and channels; and what `take` makes of annotations.

    As whole images they have no class, so their labels are all 0.
    """
    size, channels = network["image_size"], network["channels"]
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
        "mean": network.get("mean"),
        "std": network.get("std"),
    }
    return fields, taken
