"""A checkpoint in short: its shapes, a sketch of the rows of each matrix that can be tested, and where it is stored.

Rows are centred, scaled to norm 1 and folded to a few columns by signs that depend on their length alone. All of
that treats rows alike, so the test of their order stays exact; it only costs power, of which there is plenty.
A digest takes about a megabyte. It is stored under the file's place, size and time, so that the next audit does not
open the file.
"""

import contextlib
import hashlib
import json
import os
import threading
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from lineage.checkpoints.checkpoint import Checkpoint, LeftOut
from lineage.checkpoints.files import sha256_of
from lineage.checkpoints.several import member_of
from lineage.errors import UserError, one_line
from lineage.index.summing import sums_of
from lineage.index.workers import beside_each_other
from lineage.progress import Tracked, untracked
from lineage.relation.sketch import Reason, Untestable
from lineage.storage.atomic import BeingWritten, written_whole


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
    left_out: dict[str, LeftOut] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def digest_of(
    model: Checkpoint, tracked: Tracked = untracked, *, hashed: dict[Path, str] | None = None
) -> Digest:
    """The digest of a checkpoint; reads every tensor once.

    Args:
        model: open; tracked: says how far it is, of a large one.
        hashed: sha256 of files of which it is not computed again; it is added to.

    Raises:
        UserError: for NaN or infinite values, named.
    """
    stop, hashed = threading.Event(), {} if hashed is None else hashed
    with beside_each_other() as hashing, beside_each_other() as workers:
        try:
            new = {file.real for file in model.files} - hashed.keys()
            hashes = {real: hashing.submit(sha256_of, real, stop) for real in new}
            sums = sums_of(model, workers, tracked)
        except BaseException:
            stop.set()
            raise
    hashed |= {real: found.result() for real, found in hashes.items()}
    sketches = {name: found for name, (_, found) in sums.items()}
    return Digest(
        name=model.name,
        format=model.format,
        shapes={name: entry.shape for name, entry in model.entries.items()},
        dtypes={name: entry.dtype for name, entry in model.entries.items()},
        hashes={str(file.path): hashed[file.real] for file in model.files},
        content=hashlib.sha256(b"".join(sorted(content for content, _ in sums.values()))).hexdigest(),
        sketches={name: found for name, found in sketches.items() if isinstance(found, np.ndarray)},
        untestable={name: why for name, why in sketches.items() if isinstance(why, Untestable)},
        left_out=model.left_out,
        notes=list(model.notes),
    )


def is_of(digest: Digest, model: Checkpoint) -> bool:
    """Whether the digest of a model of the same files is this model's: called, laid out and read as this one is."""
    return (
        digest.name == model.name
        and digest.notes == model.notes
        and digest.shapes == {name: entry.shape for name, entry in model.entries.items()}
        and digest.hashes.keys() == {str(file.path) for file in model.files}
    )


VERSION = 11
"""Of the layout; digests of another version are not found."""


class DigestCache:
    """Digests on disk, found by their files' place, size and time; without a folder, none are stored.

    A folder that cannot be written costs time and nothing else: `trouble` says why, and nothing more is stored.
    """

    def __init__(self, folder: Path | None):
        self.folder = folder
        self.hits = 0
        self.trouble = ""
        self._turns: dict[str, threading.Lock] = {}

    def turn(self, state: list) -> threading.Lock:
        """Of threads that want models of one file, one at a time reads it."""
        return self._turns.setdefault(json.dumps(state), threading.Lock())

    def get(self, state: list, wanted: str = "") -> list[Digest] | None:
        """The digests of the models of a file that has not changed since, of the wanted one alone where one is named.

        None if there are none.
        """
        if self.folder is None:
            return None
        with contextlib.suppress(OSError, ValueError, KeyError, SafetensorError):
            index = self._path(state, "json")
            names, dependents = json.loads(index.read_text())
            if all(_state(path) == state_then for path, state_then in dependents.items()):
                self.hits += 1
                asked = [number for number, name in enumerate(names) if wanted in ("", member_of(name))]
                return [_loaded(self._path(state, f"{number}.safetensors")) for number in asked]
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
                part.write_text(json.dumps([[digest.name for digest in digests], dependents]))
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
    fields["left_out"] = {name: [*vars(found).values()] for name, found in digest.left_out.items()}
    fields["untestable"] = {name: [why.reason.name, why.number] for name, why in digest.untestable.items()}
    tensors = digest.sketches or {"": np.zeros(0, np.float16)}
    path.write_bytes(save(tensors, metadata={"digest": json.dumps(fields)}))


def _loaded(path: Path) -> Digest:
    with safe_open(path, framework="numpy") as opened:
        fields = json.loads(opened.metadata()["digest"])
        fields["shapes"] = {name: tuple(shape) for name, shape in fields["shapes"].items()}
        fields["left_out"] = {
            name: LeftOut(reason, tuple(shape), numbers)
            for name, (reason, shape, numbers) in fields["left_out"].items()
        }
        fields["untestable"] = {
            name: Untestable(Reason[reason], number)
            for name, (reason, number) in fields["untestable"].items()
        }
        sketches = {name: opened.get_tensor(name) for name in opened.keys() if name}  # noqa: SIM118
    return Digest(sketches=sketches, **fields)
