"""Images as they are decoded, and brought to one size, at once or when they are first asked for."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from lineage.errors import UserError, one_line

MODES = {1: "L", 3: "RGB"}  # channels: how Pillow names them


def decoded(file: Path | io.BytesIO, where: str) -> Image.Image:
    """The image in a file, whole; UserError, beginning with `where`, if there is none."""
    try:
        with Image.open(file) as picture:
            picture.load()
    except (OSError, EOFError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        reason = "bytes of no known kind" if isinstance(error, UnidentifiedImageError) else one_line(error)
        raise UserError(f"{where}: expected an image (PNG, JPEG), got {reason}; correct or drop it") from None
    return picture


def fitted(picture: Image.Image, where: str, *, size: int | None, channels: int) -> np.ndarray:
    """An image's pixels uint8 [H, W, channels], stretched bilinearly to `size` x `size` unless that is None.

    Raises:
        UserError: beginning with `where`, for an image of more than 8 bits a channel.
    """
    if picture.mode[0] in "IF":  # 16 or 32 bits a pixel: Pillow would clip nearly all to white
        raise UserError(f"{where}: expected 8 bits a channel, got mode {picture.mode!r}; convert the image")
    picture = picture.convert(MODES[channels])
    if size is not None and picture.size != (size, size):
        picture = picture.resize((size, size), Image.Resampling.BILINEAR)
    return np.asarray(picture).reshape(picture.height, picture.width, channels)


class LazyPixels:
    """Pixels uint8 [N, H, W, C]; an image is decoded when it is first asked for.

    Args:
        decode: gives one image's pixels.
        shape: of all.
    """

    def __init__(self, decode: Callable[[int], np.ndarray], shape: tuple[int, int, int, int]):
        self._decode = decode
        self._pixels = np.empty(shape, dtype=np.uint8)
        self._is_decoded = np.zeros(shape[0], dtype=bool)

    def __getitem__(self, index: "np.ndarray | list[int] | slice") -> np.ndarray:
        """The pixels of the images at `index`."""
        rows = np.arange(len(self._pixels))[index]
        for row in rows[~self._is_decoded[rows]]:
            self._pixels[row] = self._decode(row)
            self._is_decoded[row] = True
        return self._pixels[index]
