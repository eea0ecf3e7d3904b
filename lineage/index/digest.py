"""A checkpoint in short: its shapes, and a sketch of the rows of each matrix that can be tested.

Rows are centred, scaled to norm 1 and folded to a few columns by signs that depend on their length alone. All of
that treats rows alike, so the test of their order stays exact; it only costs power, of which there is plenty.
A digest takes about a megabyte. It is stored under the file's place, size and time, so that the next audit does not
open the file.
"""

from dataclasses import dataclass, field

import numpy as np

from lineage.checkpoints.checkpoint import Checkpoint
from lineage.checkpoints.files import sha256_of
from lineage.errors import UserError
from lineage.relation.naming import heads, matrices, reason_against
from lineage.relation.sketch import sketch
from lineage.relation.untestable import Reason, Untestable


@dataclass
class Digest:
    """A checkpoint in short.

    name, format; shapes: of all tensors, in order; hashes: sha256 of each file; sketches: float16
    [rows, columns] of each testable matrix; untestable: why each other matrix is not; left_out, notes: of
    the checkpoint.
    """

    name: str
    format: str
    shapes: dict[str, tuple[int, ...]]
    hashes: dict[str, str]
    sketches: dict[str, np.ndarray]
    untestable: dict[str, Untestable]
    left_out: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def digest_of(model: Checkpoint) -> Digest:
    """The digest of a checkpoint; reads every tensor once.

    Raises:
        UserError: for NaN or infinite values, named.
    """
    shapes = {name: entry.shape for name, entry in model.entries.items()}
    wide, head = set(matrices(shapes)), heads(shapes)
    sketches, untestable = {}, {}
    for name in shapes:
        values = model.read(name)
        check_finite(model, name, values)
        if name not in wide:
            continue
        reason = Reason.HEAD if name in head else reason_against(name, shapes)
        found = Untestable(reason) if reason else sketch(values)
        if isinstance(found, Untestable):
            untestable[name] = found
        else:
            sketches[name] = found
    hashes = {str(file.path): sha256_of(file.real) for file in model.files}
    return Digest(
        model.name, model.format, shapes, hashes, sketches, untestable, model.left_out, list(model.notes)
    )  # fmt: skip


def check_finite(model: Checkpoint, name: str, values: np.ndarray) -> None:
    """Raises a UserError that counts and names what is not a finite number."""
    flat = values.reshape(-1)
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(np.dot(flat, flat)):
            return
    missing, infinite = int(np.isnan(flat).sum()), int(np.isinf(flat).sum())
    if missing or infinite:
        first = np.unravel_index(np.flatnonzero(~np.isfinite(flat))[0], values.shape or (1,))
        raise UserError(
            f"{model.files[0].path}: tensor {name!r} holds {missing} NaN and {infinite} infinite values, the first "
            f"at {list(map(int, first))}; expected finite weights"
        )
