"""Where the images of a source lie."""

from pathlib import Path

from lineage.data.sources.torchvision_names import CLASSIFICATION, VOC
from lineage.errors import UserError
from lineage.storage.packaged import packaged

RESOURCES = packaged("resources")


SCHEMES = ("embedded", "parquet", "folder", "sklearn", "torchvision", "noise")


def source_files(source: str, split: str) -> list[str]:
    """Files of a source that a workflow tracks as inputs: the Parquet file, or none for the other kinds.

    Paths below the working folder are relative to it, so that moving a checkout makes no input look new.
    Raises UserError where the kind is unknown or its file or folder is missing.
    """
    scheme, name = split_source(source)
    if scheme in ("embedded", "parquet"):
        path = parquet_path(scheme, name, split)
        return [str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)]
    if scheme == "folder":
        folder_path(name, split)
    return []


def split_source(source: str) -> tuple[str, str]:
    """The kind of a source and the rest, each checked as far as no file is needed.

    Raises:
        UserError: for an unknown kind, or a name that its kind does not have.
    """
    scheme, _, name = source.partition(":")
    if scheme not in SCHEMES or not name:
        kinds = ", ".join(f"{kind}:..." for kind in SCHEMES)
        raise UserError(f"source {source!r}: expected one of {kinds}; correct it")
    if scheme == "sklearn" and name != "digits":
        raise UserError(f"source {source!r}: scikit-learn ships the images 'sklearn:digits' only; name that")
    if scheme == "noise" and name != "uniform":
        raise UserError(f"source {source!r}: expected noise:uniform; name that")
    if scheme == "torchvision" and name not in (known := (*CLASSIFICATION, *VOC.values())):
        raise UserError(
            f"source {source!r}: expected one of torchvision's {', '.join(known)}; name one of them"
        )
    return scheme, name


def parquet_path(scheme: str, name: str, split: str) -> Path:
    """The Parquet file of an `embedded:` or `parquet:` source; UserError if it is not there."""
    if scheme == "embedded":
        path = RESOURCES / name / f"{split}.parquet"
        if not RESOURCES.is_dir():
            raise UserError(
                f"source 'embedded:{name}': embedded data come with the repository, not with the installed package; "
                "use it in a checkout, or name a file of your own: parquet:FILE"
            )
        if not path.is_file():
            there = sorted(f"{file.parent.name} {file.stem}" for file in RESOURCES.glob("*/*.parquet"))
            raise UserError(
                f"{path}: no such embedded data, found {', '.join(there) or 'none'}; name one of them"
            )
        return path
    path = Path(name.replace("{split}", split)).expanduser()
    if not path.is_file():
        raise UserError(f"{path}: expected a Parquet file of images, found none; correct 'parquet:{name}'")
    return path


def folder_path(name: str, split: str) -> Path:
    """The folder of a `folder:` source; UserError if it is not there."""
    path = Path(name.replace("{split}", split)).expanduser()
    if not path.is_dir():
        raise UserError(f"{path}: expected a folder of class folders, found none; correct 'folder:{name}'")
    return path
