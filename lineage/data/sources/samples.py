"""What every reader of a source gives."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image


@dataclass(frozen=True)
class Samples:
    """Labelled images as they are stored.

    Attributes:
        where: the source, for messages.
        examples: where each image lies, the image, its label.
        ids: one unique name an image.
        class_names: None calls the classes "0", "1", ... up to the largest label.
        labels: int64 [N], where they are known before the images;
        example: then also each image can be had by itself: where it lies, and the image.
    """

    where: str
    examples: Iterable[tuple[str, Image.Image, int]]
    ids: list[str]
    class_names: list[str] | None
    labels: np.ndarray | None = None
    example: Callable[[int], tuple[str, Image.Image]] | None = None


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
