"""Any supported checkpoint, told apart by its content and never by its name."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lineage.checkpoints.checkpoint import Checkpoint
from lineage.checkpoints.files import SafeFile, Unsupported, safe_file
from lineage.checkpoints.foreign import foreign_kind
from lineage.checkpoints.formats.coreml import is_core_ml, read_core_ml
from lineage.checkpoints.formats.flax import is_flax, read_flax
from lineage.checkpoints.formats.gguf import read_gguf
from lineage.checkpoints.formats.ncnn.read import MAGIC, read_ncnn
from lineage.checkpoints.formats.npz import read_npz
from lineage.checkpoints.formats.onnx.read import read_onnx
from lineage.checkpoints.formats.openvino import is_openvino, read_openvino
from lineage.checkpoints.formats.pytorch.read import read_torch
from lineage.checkpoints.formats.safetensors import read_safetensors
from lineage.checkpoints.formats.shards import read_index
from lineage.checkpoints.formats.tensorflow.bundle import is_bundle, read_bundle
from lineage.checkpoints.formats.tensorflow.graph import is_graph, read_graph
from lineage.checkpoints.formats.tfjs import is_tfjs, read_tfjs
from lineage.checkpoints.formats.tflite.read import read_tflite
from lineage.checkpoints.several import apart, member_of, parted
from lineage.checkpoints.sniffing import (
    Content,
    archive_of,
    begins,
    is_index,
    is_old_pickle,
    is_protobuf,
    is_safetensors,
)
from lineage.errors import UserError


def read_hdf5(file: SafeFile, wanted: str = "") -> list[Checkpoint]:
    """Every model of an HDF5 file, or the one that is wanted; h5py is loaded when one is read."""
    from lineage.checkpoints.formats.hdf5.read import read_hdf5 as read

    return read(file, wanted=wanted)


def read_keras_archive(file: SafeFile) -> list[Checkpoint]:
    """The model of a `.keras` archive; h5py is loaded when one is read."""
    from lineage.checkpoints.formats.hdf5.keras_archive import read_keras_archive as read

    return read(file)


@dataclass(frozen=True)
class Format:
    """A kind of checkpoint.

    name: what people call it; is_it: how its content tells; read: gives its models; read_one: gives those that an id
    may name, where a file can hold so many that reading of all takes long.
    """

    name: str
    is_it: Callable[[Content], bool]
    read: Callable[[SafeFile], list[Checkpoint]]
    read_one: Callable[[SafeFile, str], list[Checkpoint]] | None = None


FORMATS = (
    Format("HDF5, also Keras'", begins(b"\x89HDF\r\n\x1a\n"), read_hdf5, read_hdf5),
    Format("Keras 3 archive", archive_of("model.weights.h5"), read_keras_archive),
    Format("PyTorch", archive_of("/data.pkl"), read_torch),
    Format("NumPy .npz", archive_of(".npy"), read_npz),
    Format("safetensors", is_safetensors, read_safetensors),
    Format("shards with an index", is_index, read_index),
    Format("TensorFlow.js", is_tfjs, read_tfjs),
    Format("PyTorch before 1.6, bare pickles", is_old_pickle, read_torch),
    Format("Flax msgpack", is_flax, read_flax),
    Format("OpenVINO IR", is_openvino, read_openvino),
    Format("ncnn", begins(MAGIC.encode()), read_ncnn),
    Format("TensorFlow checkpoint", is_bundle, read_bundle),
    Format("TensorFlow graph", is_graph, read_graph),
    Format("GGUF", begins(b"GGUF"), read_gguf),
    Format("TensorFlow Lite", lambda content: content.head[4:8] == b"TFL3", read_tflite),
    Format("Core ML", is_core_ml, read_core_ml),
    Format("ONNX", is_protobuf, read_onnx),
)
"""Tried in this order."""


def open_models(path: str | Path, *, inside: Path | None = None, follow: bool = False) -> list[Checkpoint]:
    """The models of one file, which may hold several. `FILE::ID` names one of them.

    Args:
        path: the file.
        inside: the folder that links may not leave; by default the file's own.
        follow: let links lead out of it.

    Raises:
        UserError: for a file that is missing, broken, hostile or over the limits.
        Unsupported: for one of another kind.
    """
    text, wanted = parted(str(path))
    file = safe_file(Path(text), inside=inside, follow=follow)
    try:
        form = format_of(file)
        found = form.read_one(file, wanted) if wanted and form.read_one else form.read(file)
        models = [part for model in found for part in apart(model)]
    except OSError as error:
        raise UserError(f"{file.path}: cannot be read: {error.strerror or error}") from None
    if wanted:
        models = [model for model in models if member_of(model.name) == wanted]
        if not models:
            raise UserError(f"{path}: the file holds no model {wanted!r}")
    return models


def open_model(path: str | Path, *, inside: Path | None = None, follow: bool = False) -> Checkpoint:
    """The one model of a file, or its main one, which then notes the others.

    Raises:
        UserError: as `open_models`, and if there are several of equal standing.
    """
    return main_of(path, open_models(path, inside=inside, follow=follow))


def main_of(path: str | Path, models: list[Checkpoint]) -> Checkpoint:
    """The one model of a file that was opened; raises as `open_model`."""
    if len(models) == 1:
        return models[0]
    names = ", ".join(model.name for model in models[:3]) + (", ..." if len(models) > 3 else "")
    main = [model for model in models if model.is_main]
    if len(main) != 1:
        raise UserError(f"{path}: holds {len(models)} models; name one of them, as {names}")
    main[0].remarks.append(f"holds {len(models)} models ({names}); {main[0].name} was read")
    return main[0]


def is_model(path: Path, *, inside: Path) -> bool:
    """Whether a file's content is that of a format, or of a kind that is refused by name, whatever it is called."""
    try:
        content = Content(safe_file(path, inside=inside, follow=True))
        if kind := foreign_kind(content):
            return kind.is_network
        return any(form.is_it(content) for form in FORMATS)
    except UserError:
        return False


def format_of(file: SafeFile) -> Format:
    """The format of a file.

    Raises:
        UserError: for what is no checkpoint at all, such as a web page.
        Unsupported: for a file of another kind.
    """
    content = Content(file)
    if kind := foreign_kind(content):
        raise Unsupported(f"{file.path}: {kind.name}, which is not read; {kind.instead}")
    if found := next((form for form in FORMATS if form.is_it(content)), None):
        return found
    if content.text.startswith(b"version https://git-lfs"):
        raise UserError(f"{file.path}: is a pointer of Git LFS, not the file itself; run `git lfs pull`")
    if content.text.startswith((b"<!doctype", b"<html", b"<?xml")):
        raise UserError(f"{file.path}: is a web page, not a checkpoint; the download has failed")
    if content.text.startswith(b"{"):
        raise Unsupported(f"{file.path}: JSON without the weight_map of an index of shards")
    if content.is_packed:
        raise Unsupported(f"{file.path}: a packed archive; unpack it, and give the checkpoint in it")
    if content.is_zip:
        raise Unsupported(f"{file.path}: a zip archive of no format that is known")
    raise Unsupported(
        f"{file.path}: begins like no format that is known, such as PyTorch's, safetensors, ONNX, GGUF or Keras'; "
        "docs/checkpoints.md names all"
    )
