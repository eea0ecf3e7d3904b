"""Images with boxes, and detectors that learn them.

In a Parquet file: columns `image` struct{bytes, path} and `objects` struct{bbox, category}. A bbox is x1, y1, x2, y2
in pixels of the stored image; a category an index into the metadata `class_names`. Networks are torchvision's
detectors, whose class 0 is the background.
"""

import dataclasses

import numpy as np
import torch
from PIL import Image

from lineage.data.annotations import annotated, stretched
from lineage.data.images import Images
from lineage.errors import UserError
from lineage.types.scoring import Data, Network


@dataclasses.dataclass(frozen=True, kw_only=True)
class BoxedImages(Images):
    """Images and their boxes: float32 [N, M, 5] of class, x1, y1, x2, y2, filled up with rows of class -1."""

    boxes: np.ndarray

    def labels_tensor(self, index=None):
        """The boxes, or those at `index`: float32 [n, M, 5]."""
        return torch.tensor(self.boxes if index is None else self.boxes[index])


def load_boxed(data: Data, network: Network) -> BoxedImages:
    """The images and boxes that a configuration's `data` names, stretched to what its `network` takes.

    Raises:
        UserError: for a missing column, class names that are not there, a broken image, a box without area or a
            category without a name.
    """
    found = annotated(data, "detection")
    size, names = network.image_size, len(found.class_names)

    def take(where: str, picture: Image.Image, objects: dict | None) -> np.ndarray:
        bboxes, categories = (objects or {}).get("bbox"), (objects or {}).get("category")
        if bboxes is None or categories is None or len(bboxes) != len(categories):
            raise UserError(
                f"{where}: expected as many categories as boxes, but got {objects}; correct or drop the row"
            )
        for box, category in zip(bboxes, categories, strict=True):
            if box is None or len(box) != 4 or None in box:
                raise UserError(
                    f"{where}: expected x1, y1, x2 and y2 of a box, but got {box}; correct the box"
                )
            if category is None or not 0 <= category < names:
                raise UserError(f"{where}: expected categories below {names}, but got {category}")
            if not (box[0] < box[2] and box[1] < box[3]):
                raise UserError(f"{where}: expected x1 < x2 and y1 < y2, but got {box}; drop the box")
        corners = np.reshape(bboxes, (-1, 4)) * size / np.tile(picture.size, 2)
        return np.column_stack([categories, corners])

    fields, objects = stretched(found, network, take)
    boxes = np.full((found.count, max(map(len, objects), default=0), 5), -1, dtype=np.float32)
    for row, of_image in enumerate(objects):
        boxes[row, : len(of_image)] = of_image
    return BoxedImages(**fields, boxes=boxes)
