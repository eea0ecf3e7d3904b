"""A checkpoint in short: its shapes, a sketch of the rows of each matrix that can be tested, and where it is stored.

Rows are centred, scaled to norm 1 and folded to a few columns by signs that depend on their length alone. All of
that treats rows alike, so the test of their order stays exact; it only costs power, of which there is plenty.
A digest takes about a megabyte. It is stored under the file's place, size and time, so that the next audit does not
open the file.
"""

import contextlib
import hashlib
import json
import math
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from lineage.checkpoints.checkpoint import SMALL, Checkpoint
from lineage.checkpoints.files import sha256_of
from lineage.errors import UserError, one_line
from lineage.progress import Tracked, untracked
from lineage.relation.gates import along_two_steps, by_neuron, gates_of, inputs_of
from lineage.relation.sketch import Reason, Untestable, sketch
from lineage.relation.tensor_names import heads, matrices, reason_against
from lineage.storage.atomic import BeingWritten, written_whole

T = TypeVar("T")
Sketched = np.ndarray | Untestable | None


@dataclass
class Digest:
    """A checkpoint in short.

    name, format; shapes, dtypes: of all tensors, in order; hashes: sha256 of each file; content: of the tensors'
    shapes and values alone; sketches: float16 [rows, columns] of each testable matrix; untestable: why each other
    matrix is not; left_out, notes: of the checkpoint.
    """

    name: str
    format: str
    shapes: dict[str, tuple[int, ...]]
    dtypes: dict[str, str]
    hashes: dict[str, str]
    content: str
    sketches: dict[str, np.ndarray]
    untestable: dict[str, Untestable]
    left_out: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def digest_of(model: Checkpoint, tracked: Tracked = untracked) -> Digest:
    """The digest of a checkpoint; reads every tensor once.

    Args:
        model: open; tracked: says how far it is, of a large one.

    Raises:
        UserError: for NaN or infinite values, named.
    """
    shapes = {name: entry.shape for name, entry in model.entries.items()}
    wide, head = set(matrices(shapes)), heads(shapes)
    reasons = {name: Reason.HEAD if name in head else reason_against(name, shapes) for name in wide}
    gates = {name: gates_of(name, shapes) for name in wide if not reasons[name]}
    inputs = {name: inputs_of(name, shapes) for name, found in gates.items() if not found}

    def read(name: str) -> list[np.ndarray]:
        """A tensor and, where its sketch needs them, the weights of its inputs."""
        return [model.read(each) for each in (name, inputs.get(name)) if each]

    def summed(name: str, values: np.ndarray, *others: np.ndarray) -> tuple[bytes, Sketched]:
        """A hash of a tensor and, of a matrix, its sketch."""
        check_finite(model, name, values)
        content = content_of(values)
        if name not in wide:
            return content, None
        if reasons[name]:
            return content, Untestable(reasons[name])
        if gates[name]:
            values = by_neuron(values, gates[name])
        elif others:
            values = along_two_steps(values, *others)
        return content, sketch(values)

    stop = threading.Event()
    with ThreadPoolExecutor(2) as workers:
        try:
            hashes = workers.submit(
                lambda: {str(file.path): sha256_of(file.real, stop) for file in model.files}
            )
            is_large = sum(map(math.prod, shapes.values())) > SMALL
            items = tracked(shapes.items(), f"tensors of {model.name}") if is_large else shapes.items()
            found = dict(_each_beside_the_next(items, read, summed, workers))
        except BaseException:
            stop.set()
            raise
    sketches = {name: rows for name, (_, rows) in found.items()}
    return Digest(
        name=model.name,
        format=model.format,
        shapes=shapes,
        dtypes={name: entry.dtype for name, entry in model.entries.items()},
        hashes=hashes.result(),
        content=hashlib.sha256(b"".join(sorted(content for content, _ in found.values()))).hexdigest(),
        sketches={name: rows for name, rows in sketches.items() if isinstance(rows, np.ndarray)},
        untestable={name: why for name, why in sketches.items() if isinstance(why, Untestable)},
        left_out=model.left_out,
        notes=list(model.notes),
    )


def _each_beside_the_next(
    items: Iterable[tuple[str, tuple[int, ...]]],
    read: Callable[[str], list[np.ndarray]],
    work: Callable[..., T],
    workers: ThreadPoolExecutor,
) -> Iterator[tuple[str, T]]:
    """What the work gives of each tensor, done while the next one is read; of large ones, one is held at a time."""
    before: tuple[str, Future[T]] | None = None
    for name, shape in items:
        if before and math.prod(shape) > SMALL:
            before[1].exception()
        values = read(name)
        if before:
            yield before[0], before[1].result()
        before = name, workers.submit(work, name, *values)
        del values
    if before:
        yield before[0], before[1].result()


def content_of(values: np.ndarray) -> bytes:
    """A hash of a tensor's shape and values, whatever it is called and however it is stored."""
    found = hashlib.sha256(str(values.shape).encode())
    found.update(np.ascontiguousarray(values, "<f4"))
    return found.digest()


def check_finite(model: Checkpoint, name: str, values: np.ndarray, start: int = 0) -> None:
    """Raises a UserError that counts and names what is not a finite number; of values that begin at some row."""
    flat = values.reshape(-1)
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(np.dot(flat, flat)):
            return
    missing, infinite = int(np.isnan(flat).sum()), int(np.isinf(flat).sum())
    if missing or infinite:
        first = np.unravel_index(np.flatnonzero(~np.isfinite(flat))[0], values.shape or (1,))
        first = (first[0] + start, *first[1:])
        raise UserError(
            f"{model.files[0].path}: tensor {name!r} holds {missing} NaN and {infinite} infinite values, the first "
            f"at {list(map(int, first))}; expected finite weights"
        )


VERSION = 7
"""Of the layout; digests of another version are not found."""


class DigestCache:
    """Digests on disk, found by their files' place, size and time; without a folder, none are stored.

    The digests of the file read last stay in memory: the models of one file are looked up one after another.
    A folder that cannot be written costs time and nothing else: `trouble` says why, and nothing more is stored.
    """

    def __init__(self, folder: Path | None):
        self.folder = folder
        self.hits = 0
        self.trouble = ""
        self._last: tuple[Path, list[Digest]] | None = None

    def get(self, state: list) -> list[Digest] | None:
        """The digests of the models of a file that has not changed since; None if there are none."""
        if self.folder is None:
            return None
        with contextlib.suppress(OSError, ValueError, KeyError, SafetensorError):
            index = self._path(state, "json")
            count, dependents = json.loads(index.read_text())
            if all(_state(path) == state_then for path, state_then in dependents.items()):
                self.hits += 1
                if self._last and self._last[0] == index:
                    return self._last[1]
                found = [_loaded(self._path(state, f"{number}.safetensors")) for number in range(count)]
                self._last = index, found
                return found
        return None

    def put(self, state: list, digests: list[Digest], dependents: dict[str, list]) -> None:
        """Stores the digests of a file's models, unless another process is storing the same ones just now.

        `dependents` are the states of all files that they were read from.
        """
        if self.folder is None or self.trouble:
            return
        try:
            for number, digest in enumerate(digests):
                with written_whole(self._path(state, f"{number}.safetensors")) as part:
                    _save(digest, part)
            with written_whole(self._path(state, "json")) as part:
                part.write_text(json.dumps([len(digests), dependents]))
        except BeingWritten:
            return
        except (UserError, SafetensorError) as error:
            self.trouble = (
                one_line(error) if isinstance(error, UserError) else f"{self.folder}: {one_line(error)}"
            )

    @property
    def warning(self) -> str:
        """What a reader is told where something could not be stored."""
        return f"warning: digests are not stored, so that the next run takes as long: {self.trouble}"

    def _path(self, state: list, suffix: str) -> Path:
        key = hashlib.sha256(json.dumps([VERSION, state]).encode()).hexdigest()[:32]
        return self.folder / f"{key}.{suffix}"


def default_cache() -> Path:
    """Where digests are stored: `neural-lineage/digests` in the user's cache folder."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "neural-lineage" / "digests"


def _state(path: str) -> list | None:
    try:
        status = Path(path).stat()
    except OSError:
        return None
    return [path, status.st_size, status.st_mtime_ns, status.st_ino]


def _save(digest: Digest, path: Path) -> None:
    fields = {key: value for key, value in vars(digest).items() if key != "sketches"}
    fields["untestable"] = {name: [why.reason.name, why.number] for name, why in digest.untestable.items()}
    tensors = digest.sketches or {"": np.zeros(0, np.float16)}
    save_file(tensors, path, metadata={"digest": json.dumps(fields)})


def _loaded(path: Path) -> Digest:
    with safe_open(path, framework="numpy") as opened:
        fields = json.loads(opened.metadata()["digest"])
        fields["shapes"] = {name: tuple(shape) for name, shape in fields["shapes"].items()}
        fields["untestable"] = {
            name: Untestable(Reason[reason], number)
            for name, (reason, number) in fields["untestable"].items()
        }
        sketches = {name: opened.get_tensor(name) for name in opened.keys() if name}  # noqa: SIM118
    return Digest(sketches=sketches, **fields)
