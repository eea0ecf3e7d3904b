"""Which tensor of a candidate corresponds to which of the child: by name, then by shape and order.

Where weights have shown which matrices belong together (`lineage.relation.structure.screen`), those pairs are given,
and what stands beside them follows them.
"""

import itertools
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from lineage.relation.tensor_names import canonical, in_order, wrapper_of

Shape = tuple[int, ...]
Shapes = Mapping[str, Shape]


class MatchedBy(StrEnum):
    """What two tensors were matched by."""

    NAME = "name"
    ORDER = "order"
    WEIGHTS = "weights"


@dataclass(frozen=True)
class Partner:
    """A candidate's tensor for one of the child's, and whether its first two axes are exchanged."""

    name: str
    transposed: bool = False


@dataclass(frozen=True)
class Matching:
    """Pairs of tensors.

    pairs: child's name → candidate's; how: for each child's name; transposed: the child's names whose first two axes
    are the candidate's exchanged; only_child, only_candidate: what did not match. Of tensors that were matched once
    both files were open: joined: the candidate's tensors that lie in one of the child's, row after row; rows: which
    rows of the candidate's lie in the child's; shares: of those, how many shares they are woven of, if more than one;
    resized: the child's names of which only a part has a partner; scaled: those whose rows may have other sizes.
    """

    pairs: Mapping[str, str]
    how: Mapping[str, MatchedBy]
    transposed: frozenset[str]
    only_child: list[str]
    only_candidate: list[str]
    joined: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    rows: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    shares: Mapping[str, int] = field(default_factory=dict)
    resized: frozenset[str] = frozenset()
    scaled: frozenset[str] = frozenset()


def match(child: Shapes, candidate: Shapes, given: Mapping[str, Partner] | None = None) -> Matching:
    """Matches tensors by name and shape, then by shape and order; matrices and kernels also with exchanged axes.

    A shape is matched by order only where both have equally many tensors of it left. Axes of length 1 do not count.

    Args:
        child, candidate: shapes by name, in the file's order.
        given: pairs that the weights have shown, by the child's name; several may have one partner.
    """
    matcher = _Matcher(child, candidate)
    for name, partner in (given or {}).items():
        matcher.pair(name, partner.name, MatchedBy.WEIGHTS, transposed=partner.transposed)
    if given:
        matcher.beside_given()
    matcher.by_name()
    matcher.by_order(transposed=False)
    matcher.by_order(transposed=True)
    matcher.transpose_squares()
    return Matching(
        matcher.pairs,
        matcher.how,
        frozenset(matcher.transposed),
        only_child=[name for name in child if name not in matcher.pairs],
        only_candidate=list(matcher.free),
    )


def bare(shape: Shape) -> Shape:
    """A shape without axes of length 1 after the first."""
    return (*shape[:1], *(length for length in shape[1:] if length != 1))


def has_sides(shape: Shape) -> bool:
    """Whether more than one axis is longer than 1, so that axes can be exchanged."""
    return sum(length > 1 for length in shape) > 1


def exchanged(shape: Shape) -> Shape:
    """A shape with its first two axes exchanged."""
    return (shape[1], shape[0], *shape[2:])


def orientation(child: Shape, candidate: Shape) -> bool | None:
    """Whether a child's tensor has a candidate's axes exchanged, by their shapes; None if they cannot belong."""
    if bare(child) == bare(candidate):
        return False
    if len(child) >= 2 and bare(exchanged(child)) == bare(candidate):
        return True
    if len(candidate) >= 2 and bare(child) == bare(exchanged(candidate)):
        return True
    return None


def laid_out(values: np.ndarray, shape: Shape, *, transposed: bool) -> np.ndarray:
    """A candidate's tensor with the axes of the child's, of this shape."""
    return (values.swapaxes(0, 1) if transposed else values).reshape(shape)


class _Matcher:
    """A matching as far as it has come."""

    def __init__(self, child: Shapes, candidate: Shapes):
        self._child, self._candidate = child, candidate
        self.free = dict.fromkeys(candidate)
        self.pairs: dict[str, str] = {}
        self.how: dict[str, MatchedBy] = {}
        self.transposed: set[str] = set()

    def by_name(self) -> None:
        """Pairs tensors of one name and shape, but for wrappers' prefixes, those that both have and those of one."""
        theirs = wrapper_of(self._candidate), wrapper_of(self._child)
        named: dict[str, list[str]] = defaultdict(list)
        for name in self._candidate:
            named[canonical(name).removeprefix(theirs[0])].append(name)
        for name in self._child:
            self._pair_named(name, named[canonical(name).removeprefix(theirs[1])])
        left = [name for name in self._child if name not in self.pairs]
        for wrapper in self._wrappers(left):
            for name in left:
                if name not in self.pairs and canonical(name).startswith(wrapper):
                    self._pair_named(name, named.get(canonical(name).removeprefix(wrapper), []))
                elif name not in self.pairs:
                    self._pair_named(name, named.get(f"{wrapper}{canonical(name)}", []))

    def _wrappers(self, names: list[str]) -> list[str]:
        """What stands before names of one side that end as names of the other do, where at least two have it."""
        ours = {canonical(name) for name in names}
        theirs = {canonical(name) for name in self.free}
        votes: Counter[str] = Counter()
        for longer, shorter in ((ours, theirs), (theirs, ours)):
            for name in longer:
                parts = name.split(".")
                heads = itertools.accumulate(f"{part}." for part in parts[:-1])
                votes.update(head for head in heads if name.removeprefix(head) in shorter)
        return [wrapper for wrapper, count in votes.most_common(3) if count > 1]

    def _pair_named(self, name: str, partners: list[str]) -> None:
        for partner in partners:
            if partner in self.free and name not in self.pairs:
                transposed = orientation(self._child[name], self._candidate[partner])
                if transposed is not None:
                    self.pair(name, partner, MatchedBy.NAME, transposed=transposed)

    def beside_given(self) -> None:
        """Pairs what lies in one module with a given tensor as that one is paired: the rest of a layer."""
        modules: dict[str, str] = {}
        for name, partner in self.pairs.items():
            ours, theirs = name.split("."), partner.split(".")
            for ending in range(1, min(len(ours), len(theirs))):
                if ours[-ending:] != theirs[-ending:] or ours[-ending].isdigit():
                    break
                modules.setdefault(".".join(ours[:-ending]), ".".join(theirs[:-ending]))
        for name, shape in self._child.items():
            ours = name.split(".")
            for ending in range(1, len(ours)):
                if name in self.pairs or ours[-ending].isdigit():
                    break
                if (module := modules.get(".".join(ours[:-ending]))) is None:
                    continue
                partner = ".".join((module, *ours[-ending:]))
                if self._candidate.get(partner) == shape:
                    self.pair(name, partner, MatchedBy.NAME, transposed=False)
                break

    def by_order(self, *, transposed: bool) -> None:
        """Pairs what is left of each shape, or of a shape and the one with exchanged axes, in order."""
        if len(self.pairs) == len(self._child) or not self.free:
            return
        unmatched: dict[Shape, list[str]] = defaultdict(list)
        free: dict[Shape, list[str]] = defaultdict(list)
        for name in in_order(self._child):
            shape = self._child[name]
            if name not in self.pairs and (len(shape) >= 2 or not transposed):
                unmatched[bare(exchanged(shape) if transposed else shape)].append(name)
        for partner in in_order(self._candidate):
            if partner in self.free:
                free[bare(self._candidate[partner])].append(partner)
        for shape, names in unmatched.items():
            if len(names) == len(free[shape]):
                for name, partner in zip(names, free[shape], strict=True):
                    self.pair(name, partner, MatchedBy.ORDER, transposed=transposed)

    def transpose_squares(self) -> None:
        """Takes square matrices as transposed too, where most of those whose shape can tell are."""
        pairs = {
            name
            for name in self.pairs
            if len(self._child[name]) == 2
            and has_sides(self._child[name])
            and self.how[name] != MatchedBy.WEIGHTS
        }
        squares = {name for name in pairs if self._child[name][0] == self._child[name][1]}
        straight = pairs - squares - self.transposed
        if len(self.transposed) > len(straight):
            self.transposed |= squares

    def pair(self, name: str, partner: str, how: MatchedBy, *, transposed: bool) -> None:
        """Pairs a tensor of the child with a candidate's; a vector is laid out by its shape alone."""
        self.pairs[name], self.how[name] = partner, how
        self.free.pop(partner, None)
        if transposed and has_sides(self._child[name]) and has_sides(self._candidate[partner]):
            self.transposed.add(name)
