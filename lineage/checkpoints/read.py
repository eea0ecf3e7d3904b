"""Any supported checkpoint, told apart by its content and never by its name."""

import struct
from pathlib import Path

from lineage.checkpoints.checkpoint import Checkpoint
from lineage.checkpoints.files import LIMITS, SafeFile, Unsupported, head_of_file, safe_file
from lineage.errors import UserError

SUPPORTED = "safetensors (with an index too), PyTorch state dicts, ONNX, .npz and this project's HDF5"
MEMBER = "::"


def open_models(path: str | Path, *, inside: Path | None = None, follow: bool = False) -> list[Checkpoint]:
    """The models of one file; only an HDF5 file can hold several. `FILE::ID` names one of them.

    Args:
        path: the file.
        inside: the folder that links may not leave; by default the file's own.
        follow: let links lead out of it.

    Raises:
        UserError: for a file that is missing, broken, hostile or over the limits.
        Unsupported: for one of another kind.
    """
    text, _, wanted = str(path).partition(MEMBER)
    file = safe_file(Path(text), inside=inside, follow=follow)
    try:
        models = _models(file)
    except OSError as error:
        raise UserError(f"{file.path}: cannot be read: {error.strerror or error}") from None
    if wanted:
        models = [model for model in models if model.name.partition(MEMBER)[2] == wanted]
        if not models:
            raise UserError(f"{path}: the file holds no model {wanted!r}")
    return models


def open_model(path: str | Path, *, follow: bool = False) -> Checkpoint:
    """The one model of a file; raises as `open_models`, and a UserError if there are several."""
    models = open_models(path, follow=follow)
    if len(models) > 1:
        names = ", ".join(model.name for model in models[:3])
        raise UserError(f"{path}: holds {len(models)} models; name one of them, as {names}, ...")
    return models[0]


def _models(file: SafeFile) -> list[Checkpoint]:
    head = head_of_file(file)
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:64].lower()
    if head.startswith(b"\x89HDF\r\n\x1a\n"):
        from lineage.checkpoints.formats.hdf5 import read_hdf5

        return read_hdf5(file)
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return [_archive(file)]
    if len(head) >= 9 and head[8:9] == b"{":
        from lineage.checkpoints.formats.safetensors import read_safetensors

        return [read_safetensors(file)]
    if start.startswith(b"version https://git-lfs"):
        raise UserError(f"{file.path}: is a pointer of Git LFS, not the file itself; run `git lfs pull`")
    if start.startswith((b"<!doctype", b"<html", b"<?xml")):
        raise UserError(f"{file.path}: is a web page, not a checkpoint; the download has failed")
    if start.startswith(b"{"):
        from lineage.checkpoints.formats.safetensors import read_index

        return [read_index(file)]
    if head[:1] == b"\x80" and len(head) > 1 and head[1] <= 5:
        from lineage.checkpoints.formats.torch import read_torch

        return [read_torch(file)]
    if head[:1] == b"\x08" and len(head) > 2:
        from lineage.checkpoints.formats.onnx import read_onnx

        return [read_onnx(file)]
    if (
        head.startswith((b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"7z\xbc\xaf", b"Rar!"))
        or head[257:262] == b"ustar"
    ):
        raise Unsupported(f"{file.path}: a packed archive; unpack it, and give the checkpoint in it")
    if head.startswith(b"GGUF"):
        raise Unsupported(f"{file.path}: GGUF; supported are {SUPPORTED}")
    if (
        len(head) >= 8
        and struct.unpack("<Q", head[:8])[0] > max(file.size, LIMITS.header_bytes)
        and b"{" in head[8:64]
    ):
        raise UserError(f"{file.path}: a safetensors header longer than its file")
    raise Unsupported(f"{file.path}: begins like no format that is known; supported are {SUPPORTED}")


def _archive(file: SafeFile) -> Checkpoint:
    """A zip archive: of PyTorch, or of NumPy."""
    from lineage.checkpoints.files import checked_members

    names = [member.filename for member in checked_members(file)]
    if any(name.endswith("/data.pkl") for name in names):
        from lineage.checkpoints.formats.torch import read_torch

        return read_torch(file)
    if names and all(name.endswith(".npy") for name in names):
        from lineage.checkpoints.formats.npz import read_npz

        return read_npz(file)
    raise Unsupported(f"{file.path}: a zip archive that is neither PyTorch's nor NumPy's")
