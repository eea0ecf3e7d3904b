"""What PyTorch puts into a zip archive since 1.6: a pickle, and a member for each storage; TorchScript has two.

Source: torch/serialization.py, `_save`; torch/csrc/jit/serialization/export_module.cpp.
"""

import io

from lineage.checkpoints.archives import Place, checked_members, content, places_of
from lineage.checkpoints.files import LIMITS, SafeFile, Unsupported
from lineage.checkpoints.formats.pytorch.names import TorchPickle
from lineage.checkpoints.formats.pytorch.tensors import Storages
from lineage.errors import UserError

OF_CONSTANTS = "constants/"
"""What the keys of the storages of TorchScript's constants begin with here; those of its modules are bare."""


def of_archive(file: SafeFile) -> tuple[object, Storages, list[str]]:
    """The object in an archive, its storages, and the names that became stand-ins.

    Raises:
        UserError: for a broken or hostile archive.
        Unsupported: for one without a pickle of PyTorch, or with several.
    """
    members = checked_members(file)
    pickles = [member.filename for member in members if member.filename.endswith("/data.pkl")]
    if len(pickles) != 1:
        raise Unsupported(f"{file.path}: a zip archive with {len(pickles)} pickles; expected a PyTorch file")
    folder = pickles[0].removesuffix("data.pkl")
    inside = {
        name.removeprefix(folder): place
        for name, place in places_of(file, members).items()
        if name.startswith(folder)
    }
    storages = {name.removeprefix("data/"): place for name, place in inside.items() if _is_storage(name)}
    loaded, foreign = _unpickled(file, inside["data.pkl"])
    if "constants.pkl" in inside:
        constants, more = _unpickled(file, inside["constants.pkl"], OF_CONSTANTS)
        loaded, foreign = {"": loaded, "constants": constants}, [*foreign, *more]
    return loaded, Storages(file, storages, _byte_order(file, inside)), foreign


def _is_storage(name: str) -> bool:
    return name.startswith(("data/", OF_CONSTANTS))


def _unpickled(file: SafeFile, place: Place, prefix: str = "") -> tuple[object, list[str]]:
    if place.size > LIMITS.pickle_bytes:
        raise UserError(
            f"{file.path}: its pickle has {place.size:,} bytes; the limit is {LIMITS.pickle_bytes:,}"
        )
    pickle = TorchPickle(file, prefix)
    return pickle.value(io.BytesIO(content(file, place))), list(pickle.foreign)


def _byte_order(file: SafeFile, inside: dict[str, Place]) -> str:
    """Of the storages; PyTorch before 2.1 writes none."""
    if "byteorder" not in inside:
        return "<"
    written = content(file, inside["byteorder"])[:16].decode("latin-1")
    if written not in ("little", "big"):
        raise UserError(f"{file.path}: its byteorder is {written!r}; expected little or big")
    return "<" if written == "little" else ">"
