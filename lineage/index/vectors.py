"""A model as two vectors of bytes, numbers from -127 to 127, small enough to search among very many.

The first is of neurons in coordinates of their own (`coordinates`): blind to their order and scales, and to names as
far as these only tell which layers follow each other. The second is of tensors as they are given, by their shapes
alone: blind to names and to the order and scale of each tensor's rows; it serves where the structure is not known.
Both are sums over tensors under signs drawn from each one's shape: what one of two models lacks costs nothing.
"""

import hashlib
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from lineage.checkpoints.checkpoint import Checkpoint
from lineage.index.coordinates import PAIRS, PROBES, Coordinates, Seen, as_given, is_sketched, seen_as_given
from lineage.index.summing import Content, check_finite
from lineage.relation.alignment.axes import Shapes, UnknownStructureError
from lineage.relation.alignment.canonical import SMALLEST
from lineage.relation.alignment.structure import structure_of
from lineage.relation.tensor_names import canonical, heads, wrapper_of
from lineage.seeds import seed_of
from lineage.storage.index_schemas import LENGTH

VERSION = 2
"""Of the vectors; those of another version are not compared."""
WIDEST = 4.0
"""Numbers of a vector beyond so many standard deviations are cut off."""


@dataclass(frozen=True, eq=False)
class Vectors:
    """A model in short.

    own, given: int8 [LENGTH], in coordinates of its neurons, all 0 where its structure is not known, and as given;
    content: a hash of the tensors' values, whatever their names.
    """

    own: np.ndarray
    given: np.ndarray
    content: str


class _Once:
    """A model's tensors, each read once, in runs of rows; what is asked of every tensor is found on the way."""

    def __init__(self, model: Checkpoint, wide: set[str]):
        self.model, self.wide, self.left = model, wide, dict.fromkeys(model.entries)
        self.contents: list[bytes] = []
        self.given = np.zeros(LENGTH)

    def parts(self, name: str) -> Iterator[tuple[int, np.ndarray]]:
        """Runs of rows, each with the number of its first row."""
        del self.left[name]
        shape, start, outputs = self.model.entries[name].shape, 0, []
        content = Content(shape)
        for values in self.model.parts(name):
            check_finite(self.model, name, values, start)
            content.add(values)
            if name in self.wide:
                outputs.append(as_given(values))
            yield start, values
            start += len(values) if shape else 1
        self.contents.append(content.digest())
        if name in self.wide:
            seen = seen_as_given(name, shape, np.concatenate(outputs))
            self.given += _summed(f"given {shape}", _numbers(seen))

    def whole(self, name: str) -> np.ndarray:
        """A vector."""
        return np.concatenate([values for _, values in self.parts(name)])

    def send(
        self, name: str, axis: int, inputs: np.ndarray, factors: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Sends numbers into a tensor; see `Send`."""
        shape = self.model.entries[name].shape
        sent, squares = factors[:, None] * inputs, np.square(factors)
        if axis == 0:
            found = [(rows @ sent, np.square(rows) @ squares) for rows in self._unfolded(name, axis)]
            return np.concatenate([out for out, _ in found]), np.concatenate([size for _, size in found])
        outputs, sizes = np.zeros((shape[axis], PROBES), np.float32), np.zeros(shape[axis], np.float32)
        begin = 0
        for rows in self._unfolded(name, axis):
            end = begin + rows.shape[1]
            outputs += rows @ sent[begin:end]
            sizes += np.square(rows) @ squares[begin:end]
            begin = end
        return outputs, sizes

    def _unfolded(self, name: str, axis: int) -> Iterator[np.ndarray]:
        for _, values in self.parts(name):
            yield np.moveaxis(values, axis, 0).reshape(values.shape[axis], -1)


def vectors_of(model: Checkpoint) -> Vectors:
    """The vectors of a checkpoint; reads every tensor once.

    Raises:
        UserError: for NaN or infinite values, named.
    """
    shapes = {name: entry.shape for name, entry in model.entries.items()}
    head = heads(shapes)
    wide = {name for name, shape in shapes.items() if is_sketched(shape, 0) and shape[0] > 1} - head
    once, own = _Once(model, wide), np.zeros(LENGTH)
    for seen in _own(shapes, once, head):
        own += _summed(f"own {seen.outputs.shape} {shapes[seen.name]}", _numbers(seen), seen.depth)
    for name in list(once.left):
        deque(once.parts(name), maxlen=0)
    content = hashlib.sha256(b"".join(sorted(once.contents))).hexdigest()
    return Vectors(as_bytes(own), as_bytes(once.given), content)


def _own(shapes: Shapes, once: _Once, head: set[str]) -> Iterator[Seen]:
    """Tensors in coordinates of their units, under the names of the file; none if the structure is not known."""
    wrapper = wrapper_of(shapes)
    names = {canonical(name).removeprefix(wrapper): name for name in shapes}
    bare = {name: shapes[full] for name, full in names.items()}
    try:
        structure = structure_of(bare)
    except UnknownStructureError:
        return
    found = Coordinates(
        structure,
        bare,
        lambda name, *given: once.send(names[name], *given),
        lambda name: once.whole(names[name]),
        {name for name, full in names.items() if full in head},
    )
    for seen in found.tensors():
        yield replace(seen, name=names[seen.name])


def _numbers(seen: Seen) -> list[np.ndarray]:
    """What is independent of the order of units: sums over them.

    The products of any random weights are, on average, those of their inputs; that part says nothing.
    """
    mean = seen.outputs.mean(0)
    centred = seen.outputs - mean
    apart = ~np.eye(PAIRS, dtype=bool)
    products, expected = (seen.units[:, :PAIRS].T @ centred[:, :PAIRS])[apart], seen.products[apart]
    products = products - expected * (products @ expected) / max(expected @ expected, SMALLEST)
    return [mean, np.power(centred, 3).mean(0), products]


WEIGHTS = (0.8, 1.0, 1.0)
"""Of what `_numbers` gives."""
FADING = (1.0, 2.0, 2.0)
"""How much less they weigh the deeper a tensor lies: training changes them more."""


def _summed(key: str, numbers: list[np.ndarray], depth: int = 0) -> np.ndarray:
    """Numbers of one tensor on LENGTH places, under signs drawn from a key."""
    total = np.zeros(LENGTH)
    for number, values in enumerate(numbers):
        size = np.linalg.norm(values)
        if size > 0:
            places, signs = _hashing(f"{key} {number}", len(values))
            weight = WEIGHTS[number] / (1 + depth) ** FADING[number]
            total += np.bincount(places, weight / size * values * signs, LENGTH)
    return total


@lru_cache(maxsize=4096)
def _hashing(key: str, count: int) -> tuple[np.ndarray, np.ndarray]:
    """A place among LENGTH, and a sign, for each of some numbers (Charikar, Chen & Farach-Colton 2002,
    doi:10.1007/3-540-45465-9_59)."""
    draw = np.random.default_rng(seed_of(key))
    return draw.integers(0, LENGTH, count), draw.choice([-1.0, 1.0], count)


def as_bytes(vector: np.ndarray) -> np.ndarray:
    """A vector as int8, whatever its length; cosines stay, up to rounding."""
    size = np.sqrt(np.square(vector).mean())
    if not size:
        return np.zeros(LENGTH, np.int8)
    return np.rint(np.clip(vector / size, -WIDEST, WIDEST) * (127 / WIDEST)).astype(np.int8)
