"""Images with a class for every pixel, from Parquet: columns `image` and `mask`, each struct{bytes, path}.

A mask is a grey image of class numbers, 255 where a pixel has none. Class names are the metadata `class_names`.
"""

import dataclasses
import io

import numpy as np
from PIL import Image

from lineage.annotated import annotated_table
from lineage.data import Images, decoded
from lineage.decoding import fitted
from lineage.errors import UserError

NO_LABEL, IGNORED = 255, -100
"""How a mask says that a pixel has no class, and how the cross-entropy does."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class MaskedImages(Images):
    """Images and their masks: uint8 [N, H, W]. As whole images they have no class, so their labels are all 0."""

    masks: np.ndarray

    def labels_tensor(self, index=None):
        """The masks, or those at `index`: int64 [n, H, W], with -100 where a pixel has no class."""
        import torch

        masks = torch.tensor(self.masks if index is None else self.masks[index], dtype=torch.int64)
        return masks.masked_fill_(masks == NO_LABEL, IGNORED)


def load_masked(data: dict, network: dict) -> MaskedImages:
    """The images and masks that a configuration's `data` names, in the size and channels that its `network` takes.

    Images are stretched bilinearly, masks to the nearest pixel.

    Raises:
        UserError: for a missing column, class names that are not there, a broken image, a mask of another size or
            with a class without a name.
    """
    table, path, class_names = annotated_table(data, "mask", "segmentation")
    size = (network["image_size"],) * 2
    pixels = np.empty((len(table), *size, network["channels"]), dtype=np.uint8)
    masks = np.empty((len(table), *size), dtype=np.uint8)
    rows = zip(table["image"].to_pylist(), table["mask"].to_pylist(), strict=True)
    for row, (image, mask) in enumerate(rows):
        picture, marked = (
            decoded(io.BytesIO(cell["bytes"]), f"{path}: column {column!r}, row {row}")
            for column, cell in (("image", image), ("mask", mask))
        )
        if marked.mode != "L" or marked.size != picture.size:
            raise UserError(
                f"{path}: column 'mask', row {row}: expected grey and {picture.size} pixels as its image, "
                f"but got mode {marked.mode} and {marked.size}"
            )
        where = f"{path}: column 'image', row {row}"
        pixels[row] = fitted(picture, where, size=size[0], channels=network["channels"])
        masks[row] = np.asarray(marked.resize(size, Image.Resampling.NEAREST))
    unnamed = masks[(masks != NO_LABEL) & (masks >= len(class_names))]
    if unnamed.size:
        raise UserError(
            f"{path}: column 'mask': expected class numbers below {len(class_names)}, or 255 for none, "
            f"but got {unnamed[0]}"
        )
    return MaskedImages(
        pixels=pixels,
        masks=masks,
        labels=np.zeros(len(table), dtype=np.int64),
        ids=[f"{row:06d}" for row in range(len(table))],
        class_names=class_names,
        mean=network.get("mean"),
        std=network.get("std"),
    )
