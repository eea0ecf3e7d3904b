"""The models in a file of PyTorch, without PyTorch: its pickle is walked, never run."""

from lineage.checkpoints.checkpoint import Checkpoint, Entry
from lineage.checkpoints.files import LIMITS, MIB, SafeFile, head_of_file
from lineage.checkpoints.formats.pytorch.archive import of_archive
from lineage.checkpoints.formats.pytorch.arrays import Array
from lineage.checkpoints.formats.pytorch.old import of_old
from lineage.checkpoints.formats.pytorch.tensors import Quantised, Storages, Stored
from lineage.checkpoints.several import checkpoints_of
from lineage.errors import UserError

SHOWN = 3
"""So many of the classes that were not imported are named."""


def read_torch(file: SafeFile) -> list[Checkpoint]:
    """Every model in a PyTorch file; each tensor is read on its own.

    Raises:
        UserError: for a pickle of an attack, a broken archive, or tensors that the file does not hold.
        Unsupported: for a file without tensors.
    """
    read = of_archive if head_of_file(file, 2) == b"PK" else of_old
    loaded, storages, foreign = read(file)
    budget = _Budget(file, storages)
    is_script = any(name.startswith("__torch__") for name in foreign)
    called = "torchscript" if is_script else "pytorch" if storages.places else "pickle of arrays"

    def entry_of(name: str, tensor: Stored | Array) -> Entry:
        if isinstance(tensor, Array):
            return tensor.entry()
        budget.spend(storages.check(name, tensor))
        dtype = "float32" if isinstance(tensor, Quantised) else tensor.dtype.name
        return Entry(tensor.shape, dtype, lambda: storages.values(tensor))

    return checkpoints_of(file, called, loaded, entry_of, _remarks(foreign, is_script))


class _Budget:
    """How many bytes the tensors of a file may have: they can share a storage, but not all of it a million times."""

    def __init__(self, file: SafeFile, storages: Storages):
        self.file = file
        self.left = LIMITS.views * sum(place.size for place in storages.places.values()) + 64 * MIB

    def spend(self, size: int) -> None:
        """Takes a tensor's bytes; raises a UserError when there are too many."""
        self.left -= size
        if self.left < 0:
            raise UserError(
                f"{self.file.path}: its tensors read the bytes of the file more than {LIMITS.views} times over"
            )


def _remarks(foreign: list[str], is_script: bool) -> list[str]:
    if not foreign:
        return []
    if is_script:
        return ["TorchScript: its tensors alone were read, its code was not"]
    names = ", ".join(name[:80] for name in foreign[:SHOWN]) + (", ..." if len(foreign) > SHOWN else "")
    return [
        f"a pickle of whole objects ({names}): its tensors alone were read; nothing was imported or called"
    ]
