"""What lies in a folder and below it: models, told by content and each once, and files that are passed over."""

import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lineage.checkpoints.files import may, mode_of, safe_file, why_closed
from lineage.checkpoints.formats.shards import weight_map
from lineage.checkpoints.formats.tfjs import is_tfjs, manifest_of, paths_of
from lineage.checkpoints.read import FORMATS, is_model
from lineage.checkpoints.sniffing import Content, is_index, is_old_pickle, is_orbax, variables_beside
from lineage.errors import UserError

SUFFIXES = {
    ".safetensors",
    ".pt",
    ".pth",
    ".bin",
    ".ckpt",
    ".onnx",
    ".h5",
    ".hdf5",
    ".npz",
    ".gguf",
    ".tflite",
}
SUFFIXES |= {".keras", ".msgpack", ".pb"}
"""A file that is called so is named in the report even if nothing in it is a model; inside, only content counts."""
OF_OTHERS = {".caffemodel", ".mlmodel", ".mnn", ".params", ".pdparams", ".t7"}
"""What models are called that may be of a kind that is not read: such a file is tried, and refused by name."""
OF_INDEX = re.compile(r"(.+)\.data-\d{5}-of-\d{5}")
"""Numbers of TensorFlow's variables, which lie beside their index."""
COMPANIONS = {".bin": (".xml", ".param", ".onnx")}
"""Files that belong to another one of the same name."""
OF_ORBAX = "_METADATA", "manifest.ocdbt"
"""What Orbax calls the files by which its folders are known, the one that stands for the folder first."""
OF_CORE_ML = "weight.bin"
"""Numbers in a package of Core ML, in a folder beside its `.mlmodel`."""
HIDDEN, NO_MODEL, TWICE, TWICE_BELOW = (
    "hidden",
    "of no format that is known",
    "links to files that are read under another name",
    "links to folders that are read under another name",
)


@dataclass(frozen=True)
class Folder:
    """The models of a folder, sorted, and the files that are passed over, with the reason.

    A file that belongs to a model, as a shard or its numbers, is neither.
    """

    models: list[Path]
    passed_over: Mapping[Path, str]


def models_in_folder(folder: Path, *, follow: bool = False) -> Folder:
    """The models of a folder and of those below it.

    A packed archive counts as a model, for it may hold one, and so do a checkpoint of Orbax, a link to a folder
    elsewhere that is not followed, and a file or folder that cannot be read: these are refused by name, and not
    passed over.

    Args:
        folder: where; follow: links out of it.

    Raises:
        UserError: if there are none, or the folder cannot be looked into.
    """
    if why := why_closed(folder):
        raise UserError(f"{folder}: is a folder that cannot be looked into: {why}")
    below = _below(folder, follow=follow)
    files = sorted([*below.files, *below.left, *below.closed])
    passed_over = dict.fromkeys(below.again, TWICE_BELOW)
    passed_over |= {path: HIDDEN for path in (*files, *below.again) if _is_hidden(folder, path)}
    visible = [path for path in files if path not in passed_over]
    shards = {shard for path in visible if path.suffix == ".json" for shard in _shards_of(path)}
    orbax = _folders_of_orbax(visible)
    found: dict[Path, Path] = {path: path for path in orbax.values()}
    refused = {*below.left, *below.closed}
    for path in visible:
        if path in shards or _is_companion(path) or not orbax.keys().isdisjoint(path.parents):
            continue
        is_named = path in refused or _is_called_model(path) or _is_closed(path)
        if not (is_named or is_model(path, inside=folder) or _is_packed(path)):
            passed_over[path] = NO_MODEL
            continue
        real = path.resolve() if mode_of(path) else path
        if real not in found:
            found[real] = path
            continue
        found[real], again = sorted((path, found[real]), key=_as_a_name, reverse=True)
        passed_over[again] = TWICE
    if not found:
        formats = "; ".join(form.name for form in FORMATS)
        raise UserError(f"{folder}: expected checkpoints ({formats}), but there are none")
    return Folder(sorted(found.values()), passed_over)


@dataclass(frozen=True)
class _Below:
    """Files below a folder, and links to folders elsewhere that are left.

    again: links to folders that are entered anyway; closed: folders that cannot be looked into.
    """

    files: list[Path]
    left: list[Path]
    again: list[Path]
    closed: list[Path]


def _below(folder: Path, *, follow: bool) -> _Below:
    """What lies below a folder. Links to folders elsewhere are entered once each, so that none goes in circles."""
    found, root = _Below([], [], [], []), folder.resolve()
    entered, waiting = set(), [folder]
    while waiting:
        top = waiting.pop()
        for here, folders, files in os.walk(
            top, onerror=lambda error: found.closed.append(Path(error.filename))
        ):
            if not may(os.X_OK, Path(here)):
                found.closed.append(Path(here))
                folders.clear()
                continue
            found.files.extend(Path(here, name) for name in files)
            for link in (path for name in folders if (path := Path(here, name)).is_symlink()):
                real = link.resolve()
                if real.is_relative_to(root) or real in entered:
                    found.again.append(link)
                elif not follow:
                    found.left.append(link)
                else:
                    entered.add(real)
                    waiting.append(link)
    return found


def _folders_of_orbax(files: list[Path]) -> dict[Path, Path]:
    """The folders that are a checkpoint of Orbax, each with the file that stands for it and is refused by name."""
    found: dict[Path, Path] = {}
    for name in OF_ORBAX:
        for path in files:
            if path.name == name and found.keys().isdisjoint(path.parents) and _is_of_orbax(path):
                found[path.parent] = path
    return found


def _is_of_orbax(path: Path) -> bool:
    try:
        return is_orbax(Content(safe_file(path, follow=True)))
    except UserError:
        return False


def _is_closed(path: Path) -> bool:
    """Whether nobody may read a file, or look at what a link leads to."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        return isinstance(error, PermissionError)
    return stat.S_ISREG(mode) and not may(os.R_OK, path)


def _is_called_model(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES | OF_OTHERS


def _as_a_name(path: Path) -> tuple[bool, bool]:
    """Of two names of one file the larger is taken: one that says what it is, or the file's own."""
    return _is_called_model(path), not path.is_symlink()


def _is_packed(path: Path) -> bool:
    try:
        content = Content(safe_file(path, follow=True))
    except UserError:
        return False
    return content.is_packed or content.is_zip


def _is_hidden(folder: Path, path: Path) -> bool:
    """Whether a file of a folder is hidden; a checkpoint of TensorFlow that is called by its folder alone is not."""
    parts = path.relative_to(folder).parts
    if parts[-1] == ".index" and any(path.parent.glob(".data-*-of-*")):
        parts = parts[:-1]
    return any(part.startswith(".") or part == "__MACOSX" for part in parts)


def _is_companion(path: Path) -> bool:
    if (data := OF_INDEX.fullmatch(path.name)) and path.with_name(f"{data[1]}.index").is_file():
        return True
    if path.suffix == ".pb" and variables_beside(path):
        return True
    if path.name == OF_CORE_ML and any(path.parent.parent.glob("*.mlmodel")):
        return True
    beside = any(path.with_suffix(suffix).is_file() for suffix in COMPANIONS.get(path.suffix, ()))
    return beside and not _begins_as_pytorch(path)


def _begins_as_pytorch(path: Path) -> bool:
    """Whether a file is an archive or a pickle, as `pytorch_model.bin` beside an export of it."""
    try:
        content = Content(safe_file(path, follow=True))
    except UserError:
        return False
    return content.is_zip or is_old_pickle(content)


def _shards_of(path: Path) -> set[Path]:
    """The files that an index names; one that is broken is read, and refused, as a candidate."""
    try:
        file = safe_file(path, follow=True)
        content = Content(file)
        if is_index(content):
            return {path.parent / shard for shard in weight_map(file).values()}
        if is_tfjs(content):
            return {path.parent / shard for group in manifest_of(file) for shard in paths_of(file, group)}
    except (UserError, TypeError):
        pass
    return set()
