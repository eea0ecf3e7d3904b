"""A model's tensors by name, read one at a time."""

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, cached_property, partial

import numpy as np

from lineage.checkpoints.files import LIMITS, SafeFile
from lineage.errors import UserError, one_line
from lineage.types.graph import Graph

SMALL = 2**26
"""So many numbers may any file have."""
PART = 2**24
"""Numbers of a large tensor that are read at once by `Checkpoint.parts`."""
HELD = 2**24
"""Numbers that `held` keeps in memory, at most."""
MOST_AXES = 64
"""NumPy has no arrays of more."""
HARMLESS = ("no weights", "beside the model")
"""Reasons for leaving tensors out that need no word on the terminal."""
BITS = 4
"""Of what was left out, so many count as a weight: several may be packed into one integer."""
COUNTERS = ("num_batches_tracked", "global_step", "step", "steps", "epoch", "epochs")
"""What whole numbers that count the steps of training are called."""

UNREADABLE = (ValueError, OSError, RuntimeError, LookupError, TypeError, ArithmeticError, EOFError)
"""What reading a tensor raises where the file does not hold what its header says."""


@dataclass(frozen=True)
class Entry:
    """One tensor that has not been read yet: its shape, its dtype as the file calls it, and how to read it.

    load_rows: reads a range of rows alone, where the format can.
    """

    shape: tuple[int, ...]
    dtype: str
    load: Callable[[], np.ndarray]
    load_rows: Callable[[int, int], np.ndarray] | None = None


@dataclass(frozen=True)
class LeftOut:
    """A tensor that is no weights, or that cannot be read.

    reason: why, with its type; shape: as far as the file says; numbers: how many weights it may hold, at most.
    """

    reason: str
    shape: tuple[int, ...] = ()
    numbers: int = 1

    @classmethod
    def of(cls, reason: str, shape: tuple[int, ...], dtype: str) -> "LeftOut":
        """Of a shape and a type."""
        bits = int(re.search(r"\d*$", dtype.lower().partition("_")[0]).group() or 8)
        return cls(f"{dtype}: {reason}", shape, math.prod(shape) * max(1, bits // BITS))

    @property
    def is_weights(self) -> bool:
        """Whether it may be weights."""
        return not self.reason.endswith(HARMLESS)


@dataclass
class Checkpoint:
    """The floating point tensors of one model.

    name: what the user sees; files: all that it was read from; entries: in the order of the file;
    left_out: tensors that are no weights, or that cannot be read; remarks: on how it was read;
    is_main: of several models of a file, the one that is meant unless another is named; counters: whole numbers that
    say how long it was trained, which anyone can have written; graph: reads the operators between the tensors, of a
    file that holds them.
    """

    name: str
    format: str
    files: list[SafeFile]
    entries: dict[str, Entry]
    left_out: dict[str, LeftOut] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    is_main: bool = False
    counters: dict[str, Entry] = field(default_factory=dict)
    graph: Callable[[], Graph | None] | None = None

    def __post_init__(self):
        where = self.files[0].path
        if len(self.entries) > LIMITS.tensors:
            raise UserError(
                f"{where}: holds {len(self.entries):,} tensors, more than the limit of {LIMITS.tensors:,}"
            )
        for name, entry in self.entries.items():
            check_elements(where, name, entry.shape)
        total = sum(math.prod(entry.shape) for entry in self.entries.values())
        if total > LIMITS.numbers_a_byte * sum(file.size for file in self.files) + SMALL:
            raise UserError(f"{where}: its tensors have {total:,} numbers, more than its bytes can hold")
        if not self.entries:
            raise UserError(f"{where}: holds no floating point tensor; expected a model's weights")

    @property
    def notes(self) -> list[str]:
        """What a reader of the audit should know of the files, and of weights that could not be read."""
        found = [f"{file.path}: {note}" for file in self.files for note in file.notes]
        found += [f"{self.files[0].path}: {remark}" for remark in self.remarks]
        unread = [name for name, found in self.left_out.items() if found.is_weights]
        if unread:
            names = ", ".join(unread[:3]) + (", ..." if len(unread) > 3 else "")
            kinds = ", ".join(sorted({self.left_out[name].reason for name in unread})[:3])
            found.append(f"{self.files[0].path}: {len(unread)} tensors were left out ({kinds}): {names}")
        return found

    @cached_property
    def counts(self) -> dict[str, int]:
        """The largest value of each kind of counter.

        Raises:
            UserError: if the file does not hold what its header says.
        """
        found: dict[str, int] = {}
        for name, entry in self.counters.items():
            kind = name.rpartition(".")[2]
            found[kind] = max(found.get(kind, 0), int(self._loaded(name, entry, np.int64).reshape(-1)[0]))
        return found

    def read(self, name: str) -> np.ndarray:
        """One tensor as float32.

        Raises:
            UserError: if the file does not hold what its header says.
        """
        return self._loaded(name, self.entries[name], np.float32)

    def parts(self, name: str, most: int | None = None) -> Iterator[np.ndarray]:
        """One tensor as float32 in runs of rows of about `most` numbers, or whole where the format cannot read rows.

        Args:
            name: the tensor; most: PART by default.

        Raises:
            UserError: as `read`.
        """
        entry, most = self.entries[name], most or PART
        if entry.load_rows is None or math.prod(entry.shape) <= most:
            yield self.read(name)
            return
        rows = max(1, most // max(1, math.prod(entry.shape[1:])))
        for start in range(0, entry.shape[0], rows):
            stop = min(start + rows, entry.shape[0])
            part = Entry((stop - start, *entry.shape[1:]), entry.dtype, partial(entry.load_rows, start, stop))
            yield self._loaded(name, part, np.float32)

    def _loaded(self, name: str, entry: Entry, dtype: type) -> np.ndarray:
        try:
            with np.errstate(over="ignore", invalid="ignore"):
                values = np.asarray(entry.load(), dtype=dtype)
        except UNREADABLE as error:
            raise UserError(
                f"{self.files[0].path}: tensor {name!r} cannot be read: {one_line(error)}"
            ) from None
        if values.shape != entry.shape:
            raise UserError(
                f"{self.files[0].path}: tensor {name!r}: expected shape {entry.shape}, found {values.shape}"
            )
        return values


def held(model: Checkpoint) -> Checkpoint:
    """The same model, of which tensors of HELD numbers together, as they come, stay in memory once they are read."""
    entries, left = dict(model.entries), HELD
    for name, entry in model.entries.items():
        if (size := math.prod(entry.shape)) <= left:
            left -= size
            entries[name] = replace(entry, load=cache(partial(_unwritable, entry.load)))
    return replace(model, entries=entries)


def _unwritable(load: Callable[[], np.ndarray]) -> np.ndarray:
    """What is loaded, so that no reader changes it for the next one."""
    values = np.asarray(load())
    values.setflags(write=False)
    return values


def counters_in(raw: Mapping[str, Entry]) -> dict[str, Entry]:
    """The whole numbers among tensors of all types that count the steps of training."""
    return {
        name: entry
        for name, entry in raw.items()
        if name.rpartition(".")[2] in COUNTERS
        and entry.dtype.startswith(("int", "uint"))
        and math.prod(entry.shape) == 1
    }


def natural(name: str) -> list[tuple[int, str]]:
    """Names in the order of the numbers in them: dense_2 comes before dense_10."""
    return [(int(part), "") if part.isdecimal() else (0, part) for part in re.split(r"(\d{1,9})", name)]


def check_elements(where: object, name: str, shape: tuple[int, ...]) -> None:
    """Raises a UserError for a shape that is negative, or larger than the limit, or of more axes than any array."""
    if len(shape) > MOST_AXES:
        raise UserError(f"{where}: tensor {name!r} has {len(shape):,} axes; expected {MOST_AXES} at most")
    elements = 1
    for length in shape:
        if length < 0:
            raise UserError(f"{where}: tensor {name!r} has the shape {shape}; expected lengths of 0 and more")
        elements *= length
    if elements > LIMITS.tensor_elements:
        raise UserError(
            f"{where}: tensor {name!r} of shape {shape} has {elements:,} elements, more than the limit of "
            f"{LIMITS.tensor_elements:,}"
        )
