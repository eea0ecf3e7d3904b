"""Images with boxes, from Parquet: columns `image` struct{bytes, path} and `objects` struct{bbox, category}.

A bbox is x1, y1, x2, y2 in pixels of the stored image; a category an index into the metadata `class_names`. Networks
are torchvision's detectors, whose class 0 is the background.
"""

import dataclasses
import io

import numpy as np
import torch
from torch import Tensor, nn

from lineage.annotated import annotated_table
from lineage.data import Images, decoded
from lineage.decoding import fitted
from lineage.errors import UserError


@dataclasses.dataclass(frozen=True, kw_only=True)
class BoxedImages(Images):
    """Images and their boxes: float32 [N, M, 5] of class, x1, y1, x2, y2, filled up with rows of class -1.

    As whole images they have no class, so their labels are all 0.
    """

    boxes: np.ndarray

    def labels_tensor(self, index=None):
        """The boxes, or those at `index`: float32 [n, M, 5]."""
        return torch.tensor(self.boxes if index is None else self.boxes[index])


def load_boxed(data: dict, network: dict) -> BoxedImages:
    """The images and boxes that a configuration's `data` names, stretched to what its `network` takes.

    Raises:
        UserError: for a missing column, class names that are not there, a broken image, a box without area or a
            category without a name.
    """
    table, path, class_names = annotated_table(data, "objects", "detection")
    size = (network["image_size"],) * 2
    objects = table["objects"].to_pylist()
    most = max((len(its["category"]) for its in objects), default=0)
    pixels = np.empty((len(table), *size, network["channels"]), dtype=np.uint8)
    boxes = np.full((len(table), most, 5), -1, dtype=np.float32)
    for row, (image, its) in enumerate(zip(table["image"].to_pylist(), objects, strict=True)):
        picture = decoded(io.BytesIO(image["bytes"]), f"{path}: column 'image', row {row}")
        for place, (box, category) in enumerate(zip(its["bbox"], its["category"], strict=True)):
            if not 0 <= category < len(class_names):
                raise UserError(
                    f"{path}: column 'objects', row {row}: expected categories below {len(class_names)}, "
                    f"but got {category}"
                )
            if not (box[0] < box[2] and box[1] < box[3]):
                raise UserError(
                    f"{path}: column 'objects', row {row}: expected x1 < x2 and y1 < y2, but got {box}; drop the box"
                )
            boxes[row, place] = [category, *(np.array(box) * size[0] / np.tile(picture.size, 2))]
        where = f"{path}: column 'image', row {row}"
        pixels[row] = fitted(picture, where, size=size[0], channels=network["channels"])
    return BoxedImages(
        pixels=pixels,
        boxes=boxes,
        labels=np.zeros(len(table), dtype=np.int64),
        ids=[f"{row:06d}" for row in range(len(table))],
        class_names=class_names,
        mean=network.get("mean"),
        std=network.get("std"),
    )


def detected(net: nn.Module, pixels: Tensor, boxes: Tensor) -> tuple[Tensor, float]:
    """The sum of a detector's losses (of boxes, of classes, ...) on a batch; there is no accuracy: NaN.

    Args:
        net: a detector of torchvision, in training mode.
        pixels: [n, C, H, W].
        boxes: [n, M, 5] as `BoxedImages` has them.
    """
    targets = [
        {"boxes": its[its[:, 0] >= 0, 1:], "labels": its[its[:, 0] >= 0, 0].long() + 1} for its in boxes
    ]
    return sum(net(list(pixels), targets).values()), float("nan")
