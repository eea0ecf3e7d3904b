"""What an audit keeps of a checkpoint: its shapes, and a sketch of the rows of each matrix that can be tested.

Rows are centred, scaled to norm 1 and folded to a few columns by signs that depend on their length alone. All of
that treats rows alike, so the test of their order stays exact; it only costs power, of which there is plenty.
A digest takes about a megabyte, and is kept under the file's place, size and time, so that the next audit need
not open the file.
"""

import contextlib
import functools
import hashlib
import json
import os
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from lineage.audit.checkpoint import Checkpoint
from lineage.audit.files import sha256_of
from lineage.audit.naming import heads, matrices, reason_against
from lineage.errors import UserError
from lineage.writing import written_whole

VERSION = 1
ROWS, COLUMNS = 256, 128
CHUNK = 8
"""Rows are taken in runs of so many neighbours, so that an order among neighbours is still seen."""
FEWEST_ROWS, FEWEST_COLUMNS = 16, 4
STRUCTURED = 6.0
"""Neighbouring rows alike by so many standard deviations: their order is not free."""


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
    untestable: dict[str, str]
    left_out: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def digest_of(model: Checkpoint) -> Digest:
    """Reads every tensor once.

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
        reason = "the head, whose rows are classes" if name in head else reason_against(name, shapes)
        if reason is None:
            sketches[name], reason = sketch(values)
        if reason is not None:
            sketches.pop(name, None)
            untestable[name] = reason
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


def sketch(values: np.ndarray) -> tuple[np.ndarray | None, str | None]:
    """The sketch [rows, columns] of a matrix, or why it cannot be tested."""
    if values.shape[0] < FEWEST_ROWS:
        return None, f"only {values.shape[0]} rows"
    if (columns := values[0].size) < FEWEST_COLUMNS:
        return None, f"only {columns} columns"
    rows = values[chosen_rows(len(values))].reshape(-1, columns)
    centred = rows - rows.mean(0)
    norms = np.sqrt(np.einsum("ij,ij->i", centred, centred))
    scale = np.sqrt(np.einsum("ij,ij->i", rows, rows).mean())
    alive = norms > 1e-4 * max(float(scale), 1e-30)
    if alive.sum() < FEWEST_ROWS:
        return None, "its rows are all alike: initial values or a constant"
    unit = np.where(alive[:, None], centred / np.where(alive, norms, 1)[:, None], 0).astype(np.float32)
    folded = _folded(unit)
    if (order := _order_among_rows(folded, norms)) > STRUCTURED:
        return None, f"neighbouring rows are alike ({order:.0f} sd): their order is not free"
    if values.ndim >= 2 and values.shape[0] == values.shape[1] and _has_a_diagonal(values):
        return None, "its diagonal stands out: rows and columns are tied"
    return np.ascontiguousarray(folded, np.float16), None


@functools.lru_cache(maxsize=64)
def chosen_rows(count: int) -> np.ndarray:
    """Indices of up to ROWS rows: all, or evenly spaced runs of CHUNK."""
    if count <= ROWS:
        return np.arange(count)
    starts = np.linspace(0, count - CHUNK, ROWS // CHUNK).astype(int)
    return np.unique((starts[:, None] + np.arange(CHUNK)).ravel())


@functools.lru_cache(maxsize=64)
def _folding(columns: int) -> tuple[np.ndarray, np.ndarray]:
    """An order of the columns, and a sign for each."""
    generator = np.random.default_rng(columns)
    return generator.permutation(columns), generator.choice(np.float32([-1, 1]), columns)


def _folded(rows: np.ndarray) -> np.ndarray:
    """Rows with at most COLUMNS columns, each a signed sum of the given ones; inner products stay, on average."""
    columns = rows.shape[1]
    if columns <= COLUMNS:
        return rows
    order, signs = _folding(columns)
    signed = (rows * signs)[:, order]
    whole = columns // COLUMNS * COLUMNS
    folded = signed[:, :whole].reshape(len(rows), -1, COLUMNS).sum(1)
    folded[:, : columns - whole] += signed[:, whole:]
    return folded


def _order_among_rows(rows: np.ndarray, norms: np.ndarray) -> float:
    """By how many standard deviations neighbouring rows, or their norms, are more alike than any two."""
    count = len(rows)
    alike = rows @ rows.T
    others = alike[~np.eye(count, dtype=bool)]
    neighbours = np.diagonal(alike, 1)
    by_direction = (neighbours.mean() - others.mean()) / max(others.std() / np.sqrt(count - 1), 1e-9)
    ranks = np.argsort(np.argsort(norms)).astype(float)
    ranks -= ranks.mean()
    by_norm = np.sqrt(count) * float(ranks[1:] @ ranks[:-1]) / float(ranks @ ranks)
    return max(float(by_direction), by_norm)


def _has_a_diagonal(values: np.ndarray) -> bool:
    """Whether the diagonal's entries are larger than the others."""
    energy = np.abs(values.reshape(*values.shape[:2], -1)).mean(2)
    inside = np.eye(len(energy), dtype=bool)
    others = energy[~inside]
    return abs(energy[inside].mean() - others.mean()) > STRUCTURED * others.std() / np.sqrt(len(energy))


class DigestCache:
    """Digests on disk, found by what their files look like; `None` keeps nothing.

    A file's last read are kept in memory: the models of one file are asked for one after another.
    """

    def __init__(self, folder: Path | None):
        self.folder = folder
        self.hits = 0
        self._last: tuple[Path, list[Digest]] | None = None

    def get(self, state: list) -> list[Digest] | None:
        """The digests of the models of a file that has not changed since; None if there are none."""
        if self.folder is None or not (index := self._path(state, "json")).is_file():
            return None
        with contextlib.suppress(OSError, ValueError, KeyError, SafetensorError):
            count, dependents = json.loads(index.read_text())
            if all(_look(path) == seen for path, seen in dependents.items()):
                self.hits += 1
                if self._last and self._last[0] == index:
                    return self._last[1]
                found = [_loaded(self._path(state, f"{number}.safetensors")) for number in range(count)]
                self._last = index, found
                return found
        return None

    def put(self, state: list, digests: list[Digest], dependents: dict[str, list]) -> None:
        """Keeps the digests of a file's models; `dependents` are the states of all files they were read from."""
        if self.folder is None:
            return
        for number, digest in enumerate(digests):
            with written_whole(self._path(state, f"{number}.safetensors")) as part:
                _save(digest, part)
        with written_whole(self._path(state, "json")) as part:
            part.write_text(json.dumps([len(digests), dependents]))

    def _path(self, state: list, suffix: str) -> Path:
        key = hashlib.sha256(json.dumps([VERSION, state]).encode()).hexdigest()[:32]
        return self.folder / f"{key}.{suffix}"


def default_cache() -> Path:
    """Where digests are kept: `neural-lineage/digests` in the user's cache folder."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "neural-lineage" / "digests"


def _look(path: str) -> list | None:
    try:
        status = Path(path).stat()
    except OSError:
        return None
    return [path, status.st_size, status.st_mtime_ns, status.st_ino]


def _save(digest: Digest, path: Path) -> None:
    told = {key: value for key, value in vars(digest).items() if key != "sketches"}
    tensors = digest.sketches or {"": np.zeros(0, np.float16)}
    save_file(tensors, path, metadata={"digest": json.dumps(told)})


def _loaded(path: Path) -> Digest:
    with safe_open(path, framework="numpy") as opened:
        told = json.loads(opened.metadata()["digest"])
        told["shapes"] = {name: tuple(shape) for name, shape in told["shapes"].items()}
        sketches = {name: opened.get_tensor(name) for name in opened.keys() if name}  # noqa: SIM118
    return Digest(sketches=sketches, **told)
