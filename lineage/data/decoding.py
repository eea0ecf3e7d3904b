"""Images as they are decoded, and brought to one size, at once or when they are first asked for."""

import io
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from lineage.errors import UserError, one_line

MOST_NAMED = 10
"""Bad files that one line names."""
MODES = {1: "L", 3: "RGB"}  # channels: how Pillow names them


NO_IMAGE = (OSError, EOFError, ValueError, SyntaxError, Image.DecompressionBombError)
"""What Pillow raises for a file that is none, or only a part of one."""


def decoded(file: Path | io.BytesIO, where: str) -> Image.Image:
    """The image in a file, whole; UserError, beginning with `where`, if there is none."""
    try:
        with Image.open(file) as picture:
            picture.load()
    except NO_IMAGE as error:
        raise UserError(
            f"{where}: expected an image (PNG, JPEG), got {_in_words(error)}; correct or drop it"
        ) from None
    return picture


def check_all(where: Path, files: Iterable[Path]) -> None:
    """Looks at all image files of a folder, before anything is trained on them.

    PNG files have checksums; others are decoded, JPEG at an eighth of the size.

    Raises:
        UserError: one line that names those that are no images.
    """
    bad = []
    for file in files:
        try:
            with Image.open(file) as picture:
                if picture.format == "PNG":
                    picture.verify()
                elif picture.mode in ("I", "F"):
                    raise ValueError(f"mode {picture.mode!r}, but 8 or 16 bits a channel are expected")
                else:
                    picture.draft("L", (1, 1))
                    picture.load()
        except NO_IMAGE as error:
            bad.append(f"{file.relative_to(where)}: {_in_words(error)}")
    if bad:
        named = "; ".join(bad[:MOST_NAMED])
        more = f"; and {len(bad) - MOST_NAMED} more" if len(bad) > MOST_NAMED else ""
        raise UserError(
            f"{where}: expected images (PNG, JPEG), but {len(bad)} files are none; correct or drop them: "
            f"{named}{more}"
        )


def _in_words(error: Exception) -> str:
    return "bytes of no known kind" if isinstance(error, UnidentifiedImageError) else one_line(error)


def fitted(picture: Image.Image, where: str, *, size: int | None, channels: int) -> np.ndarray:
    """An image's pixels uint8 [H, W, channels], stretched bilinearly to `size` x `size` unless that is None.

    Raises:
        UserError: beginning with `where`, for an image of more than 8 bits a channel.
    """
    if picture.mode.startswith("I;16"):
        picture = Image.fromarray((np.asarray(picture, np.uint16) >> 8).astype(np.uint8))
    elif picture.mode == "I" and _has_16_bits(picture):
        picture = Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8))
    if picture.mode[0] in "IF":  # 32 bits a pixel: Pillow would clip nearly all to white
        raise UserError(
            f"{where}: expected 8 or 16 bits a channel, got mode {picture.mode!r}; convert the image"
        )
    picture = picture.convert(MODES[channels])
    if size is not None and picture.size != (size, size):
        picture = picture.resize((size, size), Image.Resampling.BILINEAR)
    return np.asarray(picture).reshape(picture.height, picture.width, channels)


def _has_16_bits(picture: Image.Image) -> bool:
    """Whether a picture of whole numbers is one of 16 bits a pixel, as Pillow before 11.3 opens PNG files."""
    darkest, brightest = picture.getextrema()
    return picture.format == "PNG" and 0 <= darkest <= brightest < 2**16


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
