"""Images with a class for every pixel.

In a Parquet file: columns `image` and `mask`, each struct{bytes, path}. A mask is a grey image of class numbers, 255
where a pixel has none. Class names are the metadata `class_names`.
"""

import dataclasses

import numpy as np
from PIL import Image

from lineage.data.annotations import annotated, stretched
from lineage.data.images import Images
from lineage.errors import UserError
from lineage.types.scoring import Data, Network

NO_LABEL, IGNORED = 255, -100
"""How a mask says that a pixel has no class, and how the cross-entropy does."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class MaskedImages(Images):
    """Images and their masks: uint8 [N, H, W]."""

    masks: np.ndarray

    def labels_tensor(self, index=None):
        """The masks, or those at `index`: int64 [n, H, W], with -100 where a pixel has no class."""
        import torch

        masks = torch.tensor(self.masks if index is None else self.masks[index], dtype=torch.int64)
        return masks.masked_fill_(masks == NO_LABEL, IGNORED)


def load_masked(data: Data, network: Network) -> MaskedImages:
    """The images and masks that a configuration's `data` names, in the size and channels that its `network` takes.

    Images are stretched bilinearly, masks to the nearest pixel.

    Raises:
        UserError: for a missing column, class names that are not there, a broken image, a mask of another size or
            with a class without a name.
    """
    found = annotated(data, "segmentation")
    size, names = (network.image_size,) * 2, len(found.class_names)

    def take(where: str, picture: Image.Image, mask: Image.Image) -> np.ndarray:
        if mask.mode != "L" or mask.size != picture.size:
            raise UserError(
                f"{where}: expected grey and {picture.size} pixels as its image, "
                f"but got mode {mask.mode} and {mask.size}"
            )
        classes = np.asarray(mask.resize(size, Image.Resampling.NEAREST))
        unnamed = classes[(classes != NO_LABEL) & (classes >= names)]
        if unnamed.size:
            raise UserError(
                f"{where}: expected class numbers below {names}, or 255 for none, but got {unnamed[0]}"
            )
        return classes

    fields, masks = stretched(found, network, take)
    return MaskedImages(**fields, masks=np.array(masks, dtype=np.uint8))
