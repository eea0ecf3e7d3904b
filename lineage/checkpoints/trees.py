"""The models in a tree of dictionaries, lists and objects, as training scripts save them.

A state dict has names with dots, and is a model of its own, wherever it lies; so is a module. Where no name has any,
modules are dictionaries in dictionaries: all of them are one model, but for copies beside each other at the top, such
as averaged weights. An optimiser's state is no model.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from lineage.checkpoints.files import LIMITS, SafeFile
from lineage.checkpoints.pickles import StandIn
from lineage.errors import UserError

MODULES = ("_modules", "_parameters", "_buffers")
"""Where PyTorch's modules hold their parts."""
TWICE = "_flat_weights"
"""Where recurrent layers hold their parameters once more."""
OF_OPTIMISERS = {"param_groups", "exp_avg", "exp_avg_sq", "momentum_buffer", "square_avg"}
OPTIMISERS = {
    "opt_state",
    "optimizer",
    "optimizer_state",
    "optimizer_state_dict",
    "optimizer_states",
    "optimizers",
}
SETTINGS = 2**16
"""A file of so few bytes without a tensor of real numbers hides none."""
SHARE = 0.1
"""A smaller share of the largest model's numbers is a tensor or two beside it, and no model."""

Path = tuple[str, ...]


class Leaf:
    """A tensor that has not been read; it has a shape and a type."""

    shape: tuple[int, ...]
    dtype: np.dtype

    @property
    def is_real(self) -> bool:
        """Whether it has real numbers."""
        return self.dtype.kind in "fV"


@dataclass
class Found:
    """A model: where it lies in the tree, and its tensors by name."""

    path: Path
    leaves: dict[str, Leaf]
    is_whole: bool = False

    @property
    def size(self) -> int:
        """How many numbers its weights have: real ones, or matrices of integers, which may be quantised."""
        weights = (leaf for leaf in self.leaves.values() if leaf.dtype.kind in "fV" or len(leaf.shape) > 1)
        return sum(math.prod(leaf.shape) for leaf in weights)

    @property
    def has_reals(self) -> bool:
        """Whether it has a tensor of real numbers, as quantised weights have scales; buffers of images have none."""
        return any(leaf.is_real for leaf in self.leaves.values())


def is_beside_a_model(file: SafeFile, tree: object) -> bool:
    """Whether a tree has no weights: its tensors are an optimiser's, or it is small and has none, as settings.

    Raises as `models_in`.
    """
    walk = _Walk(file)
    leaves = [leaf for group in walk.groups(tree, (), 0) for leaf in group.leaves.values()]
    may_be_weights = any(leaf.dtype.kind in "fVc" or len(leaf.shape) > 1 for leaf in leaves)
    return not may_be_weights and (walk.has_optimiser or file.size <= SETTINGS)


def models_in(file: SafeFile, tree: object) -> tuple[list[Found], list[Found]]:
    """The models of a tree, in its order, and what lies beside them.

    Raises:
        UserError: for a tree that is too deep or too large.
    """
    found = list(_Walk(file).groups(tree, (), 0))
    if not any(group.is_whole or any("." in name for name in group.leaves) for group in found):
        found = _joined(found)
    most = max((len(group.leaves) for group in found), default=0)
    several = [group for group in found if len(group.leaves) > 1 or most == 1]
    several = [group for group in several if group.has_reals] or several
    enough = SHARE * max((group.size for group in several), default=0)
    models = [group for group in several if group.size >= enough]
    return models, [group for group in found if group not in models]


class _Walk:
    """A walk through a tree that visits every container once."""

    def __init__(self, file: SafeFile):
        self.file = file
        self.seen: set[int] = set()
        self.has_optimiser = False

    def groups(self, item: object, path: Path, depth: int) -> Iterator[Found]:
        """The tensors of each container that has any of its own; those of a module with all that is in it."""
        if not self._is_new(item, depth):
            return
        if _is_optimiser(item, path):
            self.has_optimiser = True
            return
        if _is_module(item):
            yield Found(path, dict(self._flat(item, "", depth)), is_whole=True)
            return
        own, inner = {}, []
        for key, value in _children(item):
            if isinstance(value, Leaf):
                own[key] = value
            elif _is_packed(value):
                own |= {
                    f"{key}.{number}": leaf for number, leaf in enumerate(value) if isinstance(leaf, Leaf)
                }
            else:
                inner.append((key, value))
        if own:
            yield Found(path, own)
        for key, value in inner:
            yield from self.groups(value, (*path, key), depth + 1)

    def _flat(self, item: object, prefix: str, depth: int) -> Iterator[tuple[str, Leaf]]:
        for key, value in _children(item):
            if isinstance(value, Leaf):
                yield f"{prefix}{key}", value
            elif key == TWICE:
                continue
            elif self._is_new(value, depth + 1):
                yield from self._flat(value, f"{prefix}{key}.", depth + 1)

    def _is_new(self, item: object, depth: int) -> bool:
        if not isinstance(item, dict | list | tuple | StandIn) or id(item) in self.seen:
            return False
        self.seen.add(id(item))
        if depth > LIMITS.nesting or len(self.seen) > 10 * LIMITS.tensors:
            raise UserError(
                f"{self.file.path}: dictionaries nest deeper than {LIMITS.nesting}, or are too many"
            )
        return True


def _children(item: object) -> Iterator[tuple[str, object]]:
    """What a container holds, by name; the parts of a module under their own names alone."""
    if isinstance(item, list | tuple):
        yield from ((str(number), value) for number, value in enumerate(item))
    elif isinstance(item, dict):
        yield from ((key, value) for key, value in item.items() if isinstance(key, str))
    elif isinstance(item, StandIn):
        if item.items:
            yield from _children(item.items)
        if isinstance(item.state, dict):
            parts = [item.state[name] for name in MODULES if isinstance(item.state.get(name), dict)]
            for part in parts:
                yield from _children(part)
            if not parts:
                yield from _children(item.state)
        elif isinstance(item.state, list | tuple):
            yield from _children(item.state)
        if item.state is None:
            yield from _children(item.arguments)


def _is_module(item: object) -> bool:
    return isinstance(item, StandIn) and (
        item.name.startswith("__torch__")
        or (isinstance(item.state, dict) and any(name in item.state for name in MODULES))
    )


def _is_optimiser(item: object, path: Path) -> bool:
    names = item.state if isinstance(item, StandIn) and isinstance(item.state, dict) else item
    return bool(path and path[-1].lower() in OPTIMISERS) or (
        isinstance(names, dict) and any(name in names for name in OF_OPTIMISERS)
    )


def _is_packed(item: object) -> bool:
    """Whether an item is a list of tensors, as quantised layers and averages have."""
    return (
        isinstance(item, list | tuple)
        and 0 < len(item) <= LIMITS.tensors
        and isinstance(item[0], Leaf)
        and all(isinstance(part, Leaf) or part is None for part in item)
    )


def _joined(groups: list[Found]) -> list[Found]:
    """One model of all groups, or one for each of those copies that lie beside each other at the top."""
    while groups and all(group.path for group in groups) and len({group.path[0] for group in groups}) == 1:
        first = groups[0].path[0]
        groups = [Found(group.path[1:], group.leaves) for group in groups]
        if not any(group.path for group in groups):
            return [Found((first,), groups[0].leaves)]
    tops: dict[Path, dict[str, Leaf]] = {}
    for group in groups:
        inner = {".".join((*group.path[1:], name)): leaf for name, leaf in group.leaves.items()}
        tops.setdefault(group.path[:1], {}).update(inner)
    shapes = [{name: leaf.shape for name, leaf in leaves.items()} for leaves in tops.values()]
    if len(groups) > len(tops) > 1 and any(shape in shapes[:place] for place, shape in enumerate(shapes)):
        return [Found(path, leaves) for path, leaves in tops.items()]
    together = {
        ".".join((*path, name)): leaf for path, leaves in tops.items() for name, leaf in leaves.items()
    }
    return [Found((), together)] if together else []
