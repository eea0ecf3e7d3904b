"""One folder of image files a class, as ImageFolder of torchvision."""

from pathlib import Path

from lineage.data.decoding import decoded
from lineage.data.sources.samples import Samples
from lineage.errors import UserError

IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp"}


def read_folder(path: Path) -> Samples:
    """Class folders in sorted order give the labels; files below them, in sorted order, the images.

    Raises:
        UserError: if there is no class folder, or one without images.
    """
    folders = sorted(item for item in path.iterdir() if item.is_dir() and not item.name.startswith("."))
    if not folders:
        raise UserError(f"{path}: expected one folder a class with image files in it, found none; add them")
    files = [(file, label) for label, folder in enumerate(folders) for file in _image_files(folder)]
    return Samples(
        where=str(path),
        examples=((str(file), decoded(file, str(file)), label) for file, label in files),
        ids=[file.relative_to(path).as_posix() for file, _ in files],
        class_names=[folder.name for folder in folders],
    )


def _image_files(folder: Path) -> list[Path]:
    files = sorted(
        file for file in folder.rglob("*.*") if file.suffix.lower() in IMAGE_SUFFIXES and file.is_file()
    )
    if not files:
        raise UserError(
            f"{folder}: expected image files of this class, found none; add some or drop the folder"
        )
    return files
