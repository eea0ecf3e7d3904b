"""State dicts of PyTorch, and checkpoints that hold one, without PyTorch: the pickle is walked, never run.

Sources: torch/serialization.py, `_save` (a zip archive, since PyTorch 1.6) and `_legacy_save` (before).
"""

import io
import math
import struct
import zipfile
from collections import deque
from collections.abc import Iterator

import numpy as np

from lineage.checkpoints.checkpoint import Checkpoint, Entry
from lineage.checkpoints.files import LIMITS, SafeFile, Unsupported, checked_members, head_of_file
from lineage.checkpoints.formats.torch_tensors import Tensor, TorchPickle
from lineage.errors import UserError

MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
"""What the two leading pickles of a file of PyTorch before 1.6 hold."""

Places = dict[str, tuple[int, int]]
"""Storages by their keys: where the bytes begin in the file, and how many there are."""


def read_torch(file: SafeFile) -> Checkpoint:
    """The state dict with the most tensors in a PyTorch file; each tensor is read on its own.

    Raises:
        UserError: for a pickle that would run code, a broken archive, or tensors that the file does not hold.
        Unsupported: for TorchScript, whole modules and what else is no checkpoint of tensors.
    """
    read = _of_archive if zipfile.is_zipfile(file.real) else _of_old
    loaded, places, byte_order = read(file)
    entries, left_out = {}, {}
    for name, tensor in _state_dict(file, loaded).items():
        if not _is_float(tensor.dtype):
            left_out[name] = f"{tensor.dtype.name}: no weights"
        else:
            start = _checked_start(file, name, tensor, places)
            entries[name] = Entry(
                tensor.shape,
                tensor.dtype.name,
                lambda tensor=tensor, start=start: _values(file, tensor, start, byte_order),
            )
    if not entries:
        raise Unsupported(f"{file.path}: holds no dictionary of float tensors; save a state_dict()")
    return Checkpoint(file.path.name, "pytorch", [file], entries, left_out)


def _of_archive(file: SafeFile) -> tuple[object, Places, str]:
    """The object in a zip archive, the places of its storages and their byte order."""
    members = checked_members(file)
    if packed := [member for member in members if member.compress_type != zipfile.ZIP_STORED]:
        raise UserError(f"{file.path}: member {packed[0].filename!r} is compressed; PyTorch never does that")
    pickles = [member for member in members if member.filename.endswith("/data.pkl")]
    if any(member.filename.endswith("/constants.pkl") for member in members):
        raise Unsupported(f"{file.path}: TorchScript holds code; save its state_dict()")
    if len(pickles) != 1:
        raise Unsupported(f"{file.path}: a zip archive with {len(pickles)} pickles; expected a PyTorch file")
    if pickles[0].file_size > LIMITS.pickle_bytes:
        raise UserError(
            f"{file.path}: its pickle has {pickles[0].file_size:,} bytes; the limit is {LIMITS.pickle_bytes:,}"
        )
    folder = pickles[0].filename.removesuffix("data.pkl")
    with file.real.open("rb") as stream:
        places = {
            member.filename.removeprefix(folder): (_start_of(file, stream, member), member.file_size)
            for member in members
        }
        start, size = places["data.pkl"]
        stream.seek(start)
        loaded = TorchPickle(file).value(io.BytesIO(stream.read(size)))
        start, size = places.get("byteorder", (0, 0))  # PyTorch before 2.1 writes none
        stream.seek(start)
        written = stream.read(min(size, 16)).decode("latin-1") or "little"
    if written not in ("little", "big"):
        raise UserError(f"{file.path}: its byteorder is {written!r}; expected little or big")
    storages = {name.removeprefix("data/"): place for name, place in places.items()}
    return loaded, storages, "<" if written == "little" else ">"


def _start_of(file: SafeFile, stream: io.BufferedReader, member: zipfile.ZipInfo) -> int:
    """Where a member's bytes begin: after its local header, a name and an extra field."""
    stream.seek(member.header_offset)
    header = stream.read(30)
    if len(header) < 30 or header[:4] != b"PK\x03\x04":
        raise UserError(f"{file.path}: broken zip archive: no header before member {member.filename!r}")
    start = member.header_offset + 30 + sum(struct.unpack("<HH", header[26:]))
    if start + member.file_size > file.size:
        raise UserError(f"{file.path}: member {member.filename!r} ends after the file; it is truncated")
    return start


def _of_old(file: SafeFile) -> tuple[object, Places, str]:
    """The object in a file of PyTorch before 1.6: five pickles, then each storage after its length."""
    stream = io.BytesIO(head_of_file(file, LIMITS.pickle_bytes))
    pickle = TorchPickle(file)
    magic, protocol, _, loaded, keys = (pickle.value(stream) for _ in range(5))  # the third: the machine
    if magic != MAGIC or protocol != PROTOCOL or not isinstance(keys, list):
        raise UserError(f"{file.path}: a pickle, but not one that PyTorch wrote; save a state_dict()")
    places, at = {}, stream.tell()
    with file.real.open("rb") as opened:
        for key in keys:
            if not isinstance(key, str) or key not in pickle.storages:
                raise UserError(f"{file.path}: broken PyTorch file: a storage that no tensor has")
            opened.seek(at)
            length = int.from_bytes(opened.read(8), "little")
            size = length * pickle.storages[key].dtype.itemsize
            if at + 8 + size > file.size:
                raise UserError(f"{file.path}: storage {key!r} ends after the file; it is truncated")
            places[key] = (at + 8, size)
            at += 8 + size
    return loaded, places, "<"


def _state_dict(file: SafeFile, loaded: object) -> dict[str, Tensor]:
    """The dictionary with the most tensors of its own: a state dict, wherever it lies; the first of equals."""
    best: dict = {}
    for found in _dictionaries(file, loaded):
        own = {
            key: value for key, value in found.items() if isinstance(key, str) and isinstance(value, Tensor)
        }
        if len(own) > len(best):
            best = own
    return best


def _dictionaries(file: SafeFile, loaded: object) -> Iterator[dict]:
    """Every dictionary in nested dictionaries, each once."""
    seen, waiting = set(), deque([(loaded, 0)])
    while waiting:
        item, depth = waiting.popleft()
        if not isinstance(item, dict) or id(item) in seen:
            continue
        if depth > LIMITS.nesting or len(seen) > LIMITS.tensors:
            raise UserError(f"{file.path}: dictionaries nest deeper than {LIMITS.nesting}, or are too many")
        seen.add(id(item))
        yield item
        waiting += [(value, depth + 1) for value in item.values()]


def _is_float(dtype: np.dtype) -> bool:
    """Whether NumPy's or ml_dtypes' type holds real numbers; those of ml_dtypes are of kind V."""
    return dtype.kind in "fV"


def _checked_start(file: SafeFile, name: str, tensor: Tensor, places: Places) -> int:
    """Where a tensor's first element lies in the file, once it is certain that all of its elements lie there."""
    size = tensor.dtype.itemsize
    if tensor.storage.key not in places:
        raise UserError(
            f"{file.path}: tensor {name!r}: its storage {tensor.storage.key!r} is not in the file"
        )
    start, stored = places[tensor.storage.key]
    begin = tensor.storage.start + tensor.offset
    within = min(stored, (tensor.storage.start + tensor.storage.length) * size)
    if math.prod(tensor.shape) * size > stored or (begin + _extent(tensor)) * size > within:
        raise UserError(
            f"{file.path}: tensor {name!r} of shape {tensor.shape} is larger than what the file stores for it"
        )
    return start + begin * size


def _extent(tensor: Tensor) -> int:
    """How many elements lie between a tensor's first and its last, both counted."""
    if 0 in tensor.shape:
        return 0
    return 1 + sum((length - 1) * step for length, step in zip(tensor.shape, tensor.strides, strict=True))


def _values(file: SafeFile, tensor: Tensor, start: int, byte_order: str) -> np.ndarray:
    """A tensor's numbers, copied from the mapped file; the bits are moved as integers, which have a byte order."""
    if 0 in tensor.shape:
        return np.zeros(tensor.shape, tensor.dtype)
    size = tensor.dtype.itemsize
    mapped = np.memmap(file.real, f"{byte_order}u{size}", "r", start, (_extent(tensor),))
    view = np.lib.stride_tricks.as_strided(mapped, tensor.shape, [step * size for step in tensor.strides])
    return np.array(view, f"=u{size}", order="C", subok=False).view(tensor.dtype)
