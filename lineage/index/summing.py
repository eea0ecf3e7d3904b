"""Each tensor of a model in short: a hash of its values and, of a matrix that can be tested, its sketch.

Tensors whose rows can be read alone are read in small parts, which stay in the processor's cache: a large checkpoint
takes little memory, and is worked on by two threads while two others hash its files.
The hash is BLAKE3 (O'Connor, Aumasson, Neves & Wilcox-O'Hearn 2020), as collision-free as the SHA-256 of the files at
a third of its price or less.
"""

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import numpy as np
from blake3 import blake3

from lineage.checkpoints.checkpoint import SMALL, Checkpoint
from lineage.errors import UserError
from lineage.index.workers import AT_ONCE, beside_each_other
from lineage.progress import Tracked
from lineage.relation.gates import along_two_steps, by_neuron, gates_of, inputs_of
from lineage.relation.sketch import Reason, Untestable, chosen_rows, sketch, sketch_of_rows
from lineage.relation.tensor_names import heads, matrices, reason_against

T = TypeVar("T")
Sketched = np.ndarray | Untestable | None
"""The sketch of a matrix, or why it has none; None of other tensors."""
PART = 2**18
"""Numbers of a part: a megabyte."""


def sums_of(
    model: Checkpoint, workers: ThreadPoolExecutor, tracked: Tracked
) -> dict[str, tuple[bytes, Sketched]]:
    """By name, the hash of each tensor's values and its sketch; every tensor is read once.

    Args:
        model: open; workers: threads, of which AT_ONCE are free; tracked: says how far it is, of a large model.

    Raises:
        UserError: for NaN or infinite values, named.
    """
    sizes = {name: math.prod(entry.shape) for name, entry in model.entries.items()}
    items = sizes.items()
    if sum(sizes.values()) > SMALL:
        items = tracked(items, f"tensors of {model.name}")
    summing = _Summing(model)
    return dict(_worked_on(items, summing.read, summing.of, workers))


def sketches_of_columns(model: Checkpoint, names: Iterable[str]) -> dict[str, np.ndarray | Untestable]:
    """By name, the sketch of each matrix' columns, taken as rows; of matrices read in parts, only they are held."""

    def read(name: str) -> list[np.ndarray]:
        return [] if model.entries[name].load_rows else [model.read(name)]

    def work(name: str, whole: list[np.ndarray]) -> np.ndarray | Untestable:
        columns = model.entries[name].shape[1]
        places = chosen_rows(columns)
        parts = [np.take(part, places, axis=1) for part in whole or model.parts(name, PART)]
        return sketch_of_rows(np.ascontiguousarray(np.concatenate(parts).swapaxes(0, 1)), columns)

    items = [(name, math.prod(model.entries[name].shape)) for name in names]
    with beside_each_other() as workers:
        return dict(_worked_on(items, read, work, workers))


class _Summing:
    """Reads tensors, and sums them up."""

    def __init__(self, model: Checkpoint):
        self._model = model
        self._shapes = shapes = {name: entry.shape for name, entry in model.entries.items()}
        head = heads(shapes)
        self._reasons = {
            name: Reason.HEAD if name in head else reason_against(name, shapes) for name in matrices(shapes)
        }
        tested = [name for name, reason in self._reasons.items() if not reason]
        self._gates = {name: gates for name in tested if (gates := gates_of(name, shapes))}
        self._inputs = {
            name: inputs for name in tested if name not in self._gates and (inputs := inputs_of(name, shapes))
        }

    def read(self, name: str) -> list[np.ndarray]:
        """A tensor and, where its sketch needs them, the weights of its inputs; nothing of one read in parts.

        Only one thread may read so: not every format can be read by several.
        """
        needs = [name, *([self._inputs[name]] if name in self._inputs else [])]
        if self._model.entries[name].load_rows and name not in self._gates and len(needs) == 1:
            return []
        return [self._model.read(each) for each in needs]

    def of(self, name: str, read: list[np.ndarray]) -> tuple[bytes, Sketched]:
        """A hash of a tensor and its sketch, from what was read of it."""
        if not read:
            return self._in_parts(name)
        values, *others = read
        check_finite(self._model, name, values)
        content = content_of(values)
        if name not in self._reasons or self._reasons[name]:
            return content, self._without_a_sketch(name)
        if name in self._gates:
            values = by_neuron(values, self._gates[name])
        elif others:
            values = along_two_steps(values, *others)
        return content, sketch(values)

    def _in_parts(self, name: str) -> tuple[bytes, Sketched]:
        shape = self._shapes[name]
        is_tested = name in self._reasons and not self._reasons[name]
        places = chosen_rows(shape[0]) if is_tested else np.zeros(0, int)
        chosen = np.empty((len(places), *shape[1:]), np.float32)
        content, start = Content(shape), 0
        for part in self._model.parts(name, PART):
            try:
                check_finite(self._model, name, part)
            except UserError:  # says how many values of the whole tensor are not finite
                check_finite(self._model, name, self._model.read(name))
            content.add(part)
            first, last = np.searchsorted(places, (start, start + len(part)))
            chosen[first:last] = part[places[first:last] - start]
            start += len(part)
        found = sketch_of_rows(chosen, shape[0]) if is_tested else self._without_a_sketch(name)
        return content.digest(), found

    def _without_a_sketch(self, name: str) -> Untestable | None:
        return Untestable(self._reasons[name]) if name in self._reasons else None


def _worked_on(
    items: Iterable[tuple[str, int]],
    read: Callable[[str], list[np.ndarray]],
    work: Callable[[str, list[np.ndarray]], T],
    workers: ThreadPoolExecutor,
) -> Iterator[tuple[str, T]]:
    """What the work gives of each tensor, done while others are read; of large ones, one is held at a time."""
    waiting: deque[tuple[str, Future[T]]] = deque()
    for name, size in items:
        while waiting and (len(waiting) >= AT_ONCE or size > SMALL):
            before, done = waiting.popleft()
            yield before, done.result()
        waiting.append((name, workers.submit(work, name, read(name))))
    for before, done in waiting:
        yield before, done.result()


def content_of(values: np.ndarray) -> bytes:
    """A hash of a tensor's shape and values, whatever it is called and however it is stored."""
    found = Content(values.shape)
    found.add(values)
    return found.digest()


class Content:
    """The same hash, of a tensor's shape and of its values, which are added part by part."""

    def __init__(self, shape: tuple[int, ...]):
        self._hash = blake3(str(shape).encode())

    def add(self, values: np.ndarray) -> None:
        """Adds the next values, in the order of the tensor's rows."""
        self._hash.update(np.ascontiguousarray(values, "<f4").reshape(-1).view(np.uint8))

    def digest(self) -> bytes:
        """The hash of all that was added: 32 bytes."""
        return self._hash.digest()


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
