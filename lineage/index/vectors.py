"""A model as two vectors of bytes, small enough to search among very many.

The first is of neurons in coordinates of their own (`coordinates`): blind to their order and scales, and to names as
far as these only tell which layers follow each other. The second is of tensors as they are given, by their shapes
alone: blind to names and to the order and scale of each tensor's rows; it serves where the structure is not known.
Both are sums over tensors under signs drawn from each one's shape: what one of two models lacks costs nothing.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from lineage.checkpoints.checkpoint import Checkpoint
from lineage.index.coordinates import PAIRS, Coordinates, Seen, as_given
from lineage.index.digest import check_finite, content_of
from lineage.relation.alignment.axes import Shapes, UnknownStructureError
from lineage.relation.alignment.canonical import SMALLEST
from lineage.relation.alignment.structure import structure_of
from lineage.relation.naming import canonical, heads, wrapper_of
from lineage.seeds import seed_of

LENGTH = 1024
"""Of each of the two vectors, in bytes: numbers from -127 to 127."""
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
    """A model's tensors, each read once; what is asked of every tensor is found on the way."""

    def __init__(self, model: Checkpoint, wide: set[str]):
        self.model, self.wide, self.left = model, wide, dict.fromkeys(model.entries)
        self.contents: list[bytes] = []
        self.given = np.zeros(LENGTH)

    def __call__(self, name: str) -> np.ndarray:
        values = self.model.read(name)
        check_finite(self.model, name, values)
        del self.left[name]
        self.contents.append(content_of(values))
        if name in self.wide:
            self.given += _summed(f"given {values.shape}", _numbers(as_given(name, values)))
        return values


def vectors_of(model: Checkpoint) -> Vectors:
    """The vectors of a checkpoint; reads every tensor once.

    Raises:
        UserError: for NaN or infinite values, named.
    """
    shapes = {name: entry.shape for name, entry in model.entries.items()}
    head = heads(shapes)
    wide = {name for name, shape in shapes.items() if len(shape) > 1 and shape[0] > 1} - head
    read, own = _Once(model, wide), np.zeros(LENGTH)
    for seen in _own(shapes, read, head):
        own += _summed(f"own {seen.outputs.shape} {shapes[seen.name]}", _numbers(seen))
    for name in list(read.left):
        read(name)
    content = hashlib.sha256(b"".join(sorted(read.contents))).hexdigest()
    return Vectors(_as_bytes(own), _as_bytes(read.given), content)


def _own(shapes: Shapes, read: Callable[[str], np.ndarray], head: set[str]) -> Iterator[Seen]:
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
        lambda name: read(names[name]),
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


WEIGHTS = (1.0, 0.5, 0.7)
"""Of what `_numbers` gives."""


def _summed(key: str, numbers: list[np.ndarray]) -> np.ndarray:
    """Numbers of one tensor on LENGTH places, under signs drawn from a key."""
    total = np.zeros(LENGTH)
    for number, (values, weight) in enumerate(zip(numbers, WEIGHTS, strict=True)):
        size = np.linalg.norm(values)
        if size > 0:
            places, signs = _hashing(f"{key} {number}", len(values))
            total += np.bincount(places, weight / size * values * signs, LENGTH)
    return total


@lru_cache(maxsize=4096)
def _hashing(key: str, count: int) -> tuple[np.ndarray, np.ndarray]:
    """A place among LENGTH, and a sign, for each of some numbers (Charikar, Chen & Farach-Colton 2002,
    doi:10.1007/3-540-45465-9_59)."""
    draw = np.random.default_rng(seed_of(key))
    return draw.integers(0, LENGTH, count), draw.choice([-1.0, 1.0], count)


def _as_bytes(vector: np.ndarray) -> np.ndarray:
    size = np.sqrt(np.square(vector).mean())
    if not size:
        return np.zeros(LENGTH, np.int8)
    return np.rint(np.clip(vector / size, -WIDEST, WIDEST) * (127 / WIDEST)).astype(np.int8)
