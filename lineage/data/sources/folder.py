"""One folder of image files a class, as ImageFolder of torchvision."""

from pathlib import Path

from lineage.data.decoding import check_all, decoded
from lineage.data.sources.samples import Samples
from lineage.errors import UserError

IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp"}


def read_folder(path: Path) -> Samples:
    """Class folders in sorted order give the labels; files below them, in sorted order, the images.

    Hidden files and folders are passed over, and `__MACOSX`. Every file is looked at before any image is given.

    Raises:
        UserError: if there is no class folder, one without images, or files that are no images, all of them named.
    """
    folders = sorted(
        item for item in path.iterdir() if item.is_dir() and not _is_hidden(item.relative_to(path))
    )
    if not folders:
        raise UserError(f"{path}: expected one folder a class with image files in it, found none; add them")
    files = [(file, label) for label, folder in enumerate(folders) for file in _image_files(folder)]
    check_all(path, (file for file, _ in files))
    return Samples(
        where=str(path),
        examples=((str(file), decoded(file, str(file)), label) for file, label in files),
        ids=[file.relative_to(path).as_posix() for file, _ in files],
        class_names=[folder.name for folder in folders],
    )


def _image_files(folder: Path) -> list[Path]:
    files = sorted(
        file
        for file in folder.rglob("*.*")
        if file.suffix.lower() in IMAGE_SUFFIXES
        and file.is_file()
        and not _is_hidden(file.relative_to(folder))
    )
    if not files:
        raise UserError(
            f"{folder}: expected image files of this class, found none; add some or drop the folder"
        )
    return files


def _is_hidden(path: Path) -> bool:
    """Whether a system or a program put it there for itself."""
    return any(part.startswith(".") or part == "__MACOSX" for part in path.parts)
