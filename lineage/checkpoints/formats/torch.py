"""State dicts of PyTorch, and checkpoints that hold one: `weights_only=True` and nothing else.

A file's pickle is listed first (`pickletools`), which executes nothing: a file that names anything but
tensors, storages and plain containers is refused before PyTorch sees it, and the name is told.
"""

import pickletools
import zipfile
from collections import deque
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

from lineage.checkpoints.archives import checked_members
from lineage.checkpoints.checkpoint import Checkpoint, Entry
from lineage.checkpoints.files import LIMITS, SafeFile, Unsupported
from lineage.errors import UserError, one_line

HARMLESS = {
    "collections OrderedDict",
    "torch Size",
    "torch device",
    "torch._utils _rebuild_tensor_v2",
    "torch._utils _rebuild_tensor",
    "torch._utils _rebuild_parameter",
    "torch.nn.parameter Parameter",
    "torch.nn.parameter.Parameter",
    "torch.storage UntypedStorage",
    "_codecs encode",
}
STORAGES = {
    f"torch {kind}Storage"
    for kind in (
        "Float",
        "Double",
        "Half",
        "BFloat16",
        "Long",
        "Int",
        "Short",
        "Char",
        "Byte",
        "Bool",
        "Untyped",
    )
}
DTYPES = {
    f"torch {kind}"
    for kind in (
        "float32",
        "float64",
        "float16",
        "bfloat16",
        "int64",
        "int32",
        "int16",
        "int8",
        "uint8",
        "bool",
    )
}
LEGACY_PICKLES = 5
"""A file of PyTorch before 1.6 holds so many: magic number, version, system, object, storages' keys."""


def read_torch(file: SafeFile) -> Checkpoint:
    """The state dict with the most tensors in a PyTorch file; from a zip archive its tensors are mapped.

    Raises:
        UserError: for a pickle that would run code, a broken archive, or nothing that is a state dict.
        Unsupported: for TorchScript, whole modules and what else is no checkpoint of tensors.
    """
    is_archive = zipfile.is_zipfile(file.real)
    if is_archive:
        members = checked_members(file)
        if packed := [member for member in members if member.compress_type != zipfile.ZIP_STORED]:
            raise UserError(
                f"{file.path}: member {packed[0].filename!r} is compressed; PyTorch never does that"
            )
        pickles = [member for member in members if member.filename.endswith("/data.pkl")]
        if any(member.filename.endswith("/constants.pkl") for member in members):
            raise Unsupported(f"{file.path}: TorchScript holds code; save its state_dict()")
        if len(pickles) != 1:
            raise Unsupported(
                f"{file.path}: a zip archive with {len(pickles)} pickles; expected a PyTorch file"
            )
        if pickles[0].file_size > LIMITS.pickle_bytes:
            raise UserError(
                f"{file.path}: its pickle has {pickles[0].file_size:,} bytes; the limit is {LIMITS.pickle_bytes:,}"
            )
        with zipfile.ZipFile(file.real) as archive, archive.open(pickles[0]) as stream:
            _refuse_code(file, stream, 1)
    else:
        if file.size > LIMITS.whole_bytes:
            raise Unsupported(
                f"{file.path}: {file.size:,} bytes in the format of PyTorch before 1.6, which cannot be mapped; "
                "save it again with a newer PyTorch, or as safetensors"
            )
        with file.real.open("rb") as stream:
            _refuse_code(file, stream, LEGACY_PICKLES)
    return _checkpoint(file, _loaded(file, mapped=is_archive))


def _loaded(file: SafeFile, *, mapped: bool) -> object:
    import torch

    try:
        return torch.load(file.real, map_location="cpu", weights_only=True, mmap=mapped)
    except Exception as error:  # a broken file makes PyTorch raise whatever it likes
        raise UserError(f"{file.path}: PyTorch cannot read its tensors: {one_line(error)}") from None


def _refuse_code(file: SafeFile, stream: BinaryIO, pickles: int) -> None:
    """Raises for pickles that name anything that is not harmless; reads them without running them."""
    try:
        for _ in range(pickles):
            for operation, argument, _ in pickletools.genops(stream):
                if operation.name in ("GLOBAL", "INST"):
                    if argument not in HARMLESS | STORAGES | DTYPES:
                        _refuse_global(file, str(argument).replace(" ", "."))
                elif operation.name in ("STACK_GLOBAL", "EXT1", "EXT2", "EXT4", "NEWOBJ_EX", "OBJ"):
                    raise UserError(
                        f"{file.path}: its pickle names what it would call only when run ({operation.name}); "
                        "nothing was executed; ask for safetensors"
                    )
    except UserError:
        raise
    except Exception as error:  # pickletools raises many kinds for bytes that are no pickle
        raise UserError(f"{file.path}: broken PyTorch file: {one_line(error)}") from None


def _refuse_global(file: SafeFile, name: str) -> None:
    if name.startswith(("torch.", "__torch__", "numpy.", "argparse.", "collections.")):
        raise Unsupported(
            f"{file.path}: its pickle holds a {name}; nothing was executed; save the state_dict() alone"
        )
    raise UserError(f"{file.path}: its pickle would call {name}; nothing was executed; ask for safetensors")


def _checkpoint(file: SafeFile, loaded: object) -> Checkpoint:
    """The dictionary with the most tensors of its own: a state dict, wherever it lies; the first of equals."""
    import torch

    best: dict = {}
    for found in _dictionaries(file, loaded):
        own = {key: value for key, value in found.items() if isinstance(key, str) and torch.is_tensor(value)}
        if len(own) > len(best):
            best = own
    entries, left_out = {}, {}
    for name, tensor in best.items():
        dtype = str(tensor.dtype).removeprefix("torch.")
        if tensor.layout != torch.strided or tensor.is_quantized or tensor.is_meta:
            left_out[name] = f"{dtype}, {'meta' if tensor.is_meta else tensor.layout}: unsupported"
        elif not tensor.is_floating_point():
            left_out[name] = f"{dtype}: no weights"
        elif tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
            raise UserError(
                f"{file.path}: tensor {name!r} of shape {tuple(tensor.shape)} is larger "
                "than what the file stores for it"
            )
        else:
            entries[name] = Entry(tuple(tensor.shape), dtype, lambda tensor=tensor: _values(tensor))
    if not entries:
        raise Unsupported(f"{file.path}: holds no dictionary of float tensors; save a state_dict()")
    return Checkpoint(file.path.name, "pytorch", [file], entries, left_out)


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


def _values(tensor) -> np.ndarray:
    return tensor.detach().float().numpy()
