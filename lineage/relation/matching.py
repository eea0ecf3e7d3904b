"""Which tensor of a candidate corresponds to which of the child: by name, then by shape and order."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from lineage.relation.naming import canonical

Shapes = Mapping[str, tuple[int, ...]]


class MatchedBy(StrEnum):
    """What two tensors were matched by."""

    NAME = "name"
    ORDER = "order"


@dataclass(frozen=True)
class Matching:
    """Pairs of tensors.

    pairs: child's name → candidate's; how: for each child's name; transposed: the child's names whose matrix is the
    transpose of the candidate's; only_child, only_candidate: what did not match.
    """

    pairs: Mapping[str, str]
    how: Mapping[str, MatchedBy]
    transposed: frozenset[str]
    only_child: list[str]
    only_candidate: list[str]


def match(child: Shapes, candidate: Shapes) -> Matching:
    """Matches tensors by name and shape, then by shape and order; matrices also with their transpose.

    A shape is matched by order only where both have equally many tensors of it left.

    Args:
        child, candidate: shapes by name, in the file's order.
    """
    matcher = _Matcher(child, candidate)
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


class _Matcher:
    """A matching as far as it has come."""

    def __init__(self, child: Shapes, candidate: Shapes):
        self._child, self._candidate = child, candidate
        self.free = dict.fromkeys(candidate)
        self.pairs: dict[str, str] = {}
        self.how: dict[str, MatchedBy] = {}
        self.transposed: set[str] = set()

    def by_name(self) -> None:
        """Pairs tensors of one name, but for wrappers' prefixes, and one shape."""
        named: dict[str, list[str]] = defaultdict(list)
        for name in self._candidate:
            named[canonical(name)].append(name)
        for name, shape in self._child.items():
            partner = next((partner for partner in named[canonical(name)] if partner in self.free), None)
            if partner is None:
                continue
            if self._candidate[partner] == shape:
                self._pair(name, partner, MatchedBy.NAME, transposed=False)
            elif len(shape) == 2 and self._candidate[partner] == shape[::-1]:
                self._pair(name, partner, MatchedBy.NAME, transposed=True)

    def by_order(self, *, transposed: bool) -> None:
        """Pairs what is left of each shape, or of a matrix' shape and its transpose, in the files' order."""
        unmatched: dict[tuple[int, ...], list[str]] = defaultdict(list)
        free: dict[tuple[int, ...], list[str]] = defaultdict(list)
        for name, shape in self._child.items():
            if name not in self.pairs and (len(shape) == 2 or not transposed):
                unmatched[shape[::-1] if transposed else shape].append(name)
        for partner in self.free:
            free[self._candidate[partner]].append(partner)
        for shape, names in unmatched.items():
            if len(names) == len(free[shape]):
                for name, partner in zip(names, free[shape], strict=True):
                    self._pair(name, partner, MatchedBy.ORDER, transposed=transposed)

    def transpose_squares(self) -> None:
        """Takes square matrices as transposed too, where most of those whose shape can tell are."""
        pairs = [name for name in self.pairs if len(self._child[name]) == 2]
        squares = {name for name in pairs if self._child[name][0] == self._child[name][1]}
        straight = set(pairs) - squares - self.transposed
        if len(self.transposed) > len(straight):
            self.transposed |= squares

    def _pair(self, name: str, partner: str, how: MatchedBy, *, transposed: bool) -> None:
        self.pairs[name], self.how[name] = partner, how
        del self.free[partner]
        if transposed:
            self.transposed.add(name)
