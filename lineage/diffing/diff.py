"""The difference of two checkpoints: what was done with each tensor and layer of A to give B.

Tensors are matched by name, then by shape and order. What has no counterpart, or one of another origin, is sought
among all tensors of A: by equal values, then by the order of rows. Tensors are read one at a time.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from lineage.checkpoints.checkpoint import Checkpoint
from lineage.checkpoints.read import open_model
from lineage.diffing.hashes import Hashes, combined
from lineage.diffing.moved import Elsewhere, contents_of
from lineage.diffing.tensors import (
    Change,
    TensorDifference,
    rank_in,
    relative_change,
    share_an_origin,
    state_of,
)
from lineage.relation.comparison import Pair
from lineage.relation.matching import match
from lineage.relation.tensor_names import canonical, heads, layer_of

FORMAT = 1
LOW = 0.5
"""A rank of at most this share of the largest that would be measured is low, as of LoRA."""
OF_OTHER_ORIGIN = (Change.REINITIALISED, Change.REPLACED)


@dataclass(frozen=True)
class LayerDifference:
    """A layer of B, or one of A that was removed: its largest tensor's state, and how many of its tensors differ."""

    layer: str
    state: Change
    tensors: int
    differing: int
    change: float | None
    rank: int | None
    source: str | None


@dataclass(frozen=True)
class ModelDifference:
    """What was done with A to give B, tensor by tensor; files: of both, as given; hashes: of both."""

    files: tuple[str, str]
    hashes: tuple[Hashes, Hashes]
    tensors: Sequence[TensorDifference]

    @property
    def is_same(self) -> bool:
        """Whether both hold the same tensors under the same names, but for prefixes."""
        return self.hashes[0].tensors == self.hashes[1].tensors

    @cached_property
    def counts(self) -> dict[str, int]:
        """How many tensors are in each state."""
        found = Counter(tensor.state for tensor in self.tensors)
        return {str(state): found[state] for state in Change if found[state]}

    @property
    def low_rank(self) -> int | None:
        """The rank of a LoRA that would explain all fine-tuned matrices; None if none would, or all is rounding."""
        ranks = [(tensor.rank, tensor.of) for tensor in self.tensors if tensor.state is Change.FINE_TUNED]
        known = [(rank, most) for rank, most in ranks if rank is not None and most is not None]
        most_used = max((rank for rank, _ in known), default=0)
        return most_used if most_used and all(most_used <= LOW * most for _, most in known) else None

    @cached_property
    def layers(self) -> list[LayerDifference]:
        """The layers of B in its order, then those of A that were removed."""
        groups: dict[tuple[bool, str], list[TensorDifference]] = defaultdict(list)
        for tensor in self.tensors:
            groups[tensor.state is Change.REMOVED, layer_of(tensor.name)].append(tensor)
        return [_layer(layer, tensors) for (_, layer), tensors in groups.items()]

    def to_dict(self) -> dict:
        """The JSON."""
        sides = {
            side: {"file": file, "hash": hashes.tensors, "values": hashes.values}
            for side, file, hashes in zip("ab", self.files, self.hashes, strict=True)
        }
        return {
            "format": FORMAT,
            **sides,
            "is_same": self.is_same,
            "counts": self.counts,
            "low_rank": self.low_rank,
            "layers": [asdict(layer) for layer in self.layers],
            "tensors": [asdict(tensor) for tensor in self.tensors],
        }


def diff(a: str | Path, b: str | Path) -> ModelDifference:
    """The difference of two models, each as FILE or FILE::ID.

    Raises:
        UserError: if either cannot be read.
    """
    return difference(open_model(a), open_model(b), (str(a), str(b)))


def difference(a: Checkpoint, b: Checkpoint, files: tuple[str, str]) -> ModelDifference:
    """The difference of two open models.

    Raises:
        UserError: for NaN or infinite values, named.
    """
    shapes = [{name: entry.shape for name, entry in model.entries.items()} for model in (a, b)]
    matching = match(shapes[1], shapes[0])
    pair, of_head = Pair(b, a, matching), heads(shapes[1])
    elsewhere = Elsewhere(a)
    contents, named = contents_of(b), by_canonical(a.entries)
    found: dict[str, TensorDifference | None] = {}
    for name in b.entries:
        source = matching.pairs.get(name)
        if source is not None:
            before, after = pair(name)
            state = state_of(before, after, rounding=pair.rounding(name), is_head=name in of_head)
            found[name] = _described(name, source, before, after, state) if state else None
        else:
            found[name] = _without_counterpart(name, named.get(canonical(name)), a, b)
        known = found[name]
        if known is not None and known.state in (*OF_OTHER_ORIGIN, Change.ADDED):
            place = elsewhere.of(b.read(name), contents[name])
            if place is not None:
                found[name] = _described(name, place, a.read(place), b.read(name), Change.MOVED)
    of_layer = largest_of_layers(known for known in found.values() if known is not None)
    tensors = [
        known or _by_its_layer(name, of_layer.get(layer_of(name)), a, pair) for name, known in found.items()
    ]
    used = {tensor.source for tensor in tensors}
    used |= {
        source
        for name, source in matching.pairs.items()
        if (known := found[name]) is not None and known.state in OF_OTHER_ORIGIN
    }
    removed = [
        TensorDifference(name=name, state=Change.REMOVED, source=name, shape=entry.shape)
        for name, entry in a.entries.items()
        if name not in used
    ]
    return ModelDifference(files, (combined(elsewhere.contents), combined(contents)), [*tensors, *removed])


def _described(
    name: str, source: str, before: np.ndarray, after: np.ndarray, state: Change
) -> TensorDifference:
    """A tensor that comes from a source; only what was fine-tuned has a rank."""
    change = relative_change(before, after)
    is_trained = state is Change.FINE_TUNED or (state is Change.MOVED and change > 0)
    rank, of = rank_in(before, after) if is_trained else (None, None)
    return TensorDifference(
        name=name, state=state, source=source, shape=after.shape, change=_finite(change), rank=rank, of=of
    )


def _finite(change: float) -> float | None:
    """A change relative to something; None to what is 0 throughout."""
    return change if math.isfinite(change) else None


def by_canonical(names: Iterable[str]) -> dict[str, str]:
    """The first of some names by what it is without wrappers' prefixes."""
    found: dict[str, str] = {}
    for name in names:
        found.setdefault(canonical(name), name)
    return found


def largest_of_layers(tensors: Iterable[TensorDifference]) -> dict[str, TensorDifference]:
    """The largest matrix of each layer that has one."""
    found: dict[str, TensorDifference] = {}
    for tensor in tensors:
        layer = layer_of(tensor.name)
        if len(tensor.shape) > 1 and (layer not in found or _size(tensor) > _size(found[layer])):
            found[layer] = tensor
    return found


def _without_counterpart(name: str, source: str | None, a: Checkpoint, b: Checkpoint) -> TensorDifference:
    """A tensor that A has in another shape, as `source`, under the same name but for prefixes, or not at all."""
    shape = b.entries[name].shape
    if source is None or len(a.entries[source].shape) != len(shape):
        return TensorDifference(name=name, state=Change.ADDED, shape=shape)
    common = tuple(slice(min(lengths)) for lengths in zip(a.entries[source].shape, shape, strict=True))
    before, after = a.read(source)[common], b.read(name)[common]
    state = Change.REINITIALISED if share_an_origin(before, after) is False else Change.RESIZED
    return TensorDifference(
        name=name, state=state, source=source, shape=shape, change=_finite(relative_change(before, after))
    )


def _by_its_layer(name: str, largest: TensorDifference | None, a: Checkpoint, pair: Pair) -> TensorDifference:
    """A vector that does not say where it comes from shares the fate of its layer's largest matrix, if it has one."""
    before, after = pair(name)
    if largest is not None and largest.state is Change.MOVED and largest.source is not None:
        place = largest.source.removesuffix(_last(largest.source)) + _last(name)
        entry = a.entries.get(place)
        if entry is not None and entry.shape == after.shape:
            return _described(name, place, a.read(place), after, Change.MOVED)
    if largest is not None:
        state = largest.state if largest.state in OF_OTHER_ORIGIN else Change.FINE_TUNED
    else:
        state = Change.REINITIALISED if share_an_origin(before, after) is False else Change.FINE_TUNED
    return _described(name, pair.matching.pairs[name], before, after, state)


def _size(tensor: TensorDifference) -> int:
    return math.prod(tensor.shape)


def _last(name: str) -> str:
    return name.rpartition(".")[2]


def _layer(layer: str, tensors: Sequence[TensorDifference]) -> LayerDifference:
    differing = [tensor for tensor in tensors if tensor.state is not Change.IDENTICAL]
    largest = max(tensors, key=lambda tensor: (len(tensor.shape) > 1, _size(tensor)))
    if largest.state is Change.IDENTICAL and differing:
        largest = replace(differing[0], source=largest.source)
    source = layer_of(largest.source) if largest.source else None
    return LayerDifference(
        layer, largest.state, len(tensors), len(differing), largest.change, largest.rank, source
    )
