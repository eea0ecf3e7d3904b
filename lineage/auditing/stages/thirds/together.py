"""The relatives that are compared with each other too, beside the child: their matrices, each read once."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from lineage.auditing.stages.candidates import Relative
from lineage.auditing.stages.thirds.copies import are_copies, shared_places
from lineage.relation.comparison import Pair, evenly, sampled
from lineage.relation.direction.lost import Side, lost
from lineage.relation.direction.thirds import Family, family
from lineage.relation.direction.updates import Ancestor, Shares, WeightUpdate, shares_both_ways
from lineage.relation.sketch import chosen_rows
from lineage.relation.spectrum import corner, oriented

MOST = 16
"""Relatives that third ones are compared with: the nearest by weights."""
CHILD = -1
"""The child's number among them."""

Network = Pair | None
"""A relative, by its pair with the child; None is the child."""


@dataclass(frozen=True)
class Computed:
    """What is known of a child's matrices and its relatives', for audits of it among several sets of candidates.

    matrices, ancestors, shares, losses: by the name of a matrix and the networks; copies: by all names. An
    ancestor comes with the child's update over it.
    """

    matrices: dict[tuple[str, Network], np.ndarray | None] = field(default_factory=dict)
    ancestors: dict[tuple[str, Network], tuple[Ancestor, WeightUpdate]] = field(default_factory=dict)
    shares: dict[tuple[str, Network, Network], tuple[Shares, Shares] | None] = field(default_factory=dict)
    losses: dict[tuple[str, Network, Network], Side | None] = field(default_factory=dict)
    copies: dict[tuple[tuple[str, ...], Network, Network], bool] = field(default_factory=dict)


class Together:
    """Some relatives of a child, by number, and the matrices that all of them were tested by.

    Args:
        relatives: of the child; small parts of it, and those that are far, are left out.
        computed: of the same child among other relatives; it is added to.
    """

    def __init__(self, relatives: Sequence[Relative], computed: Computed | None = None):
        most = max((len(relative.tests) for relative in relatives), default=0)
        whole = [relative for relative in relatives if len(relative.tests) >= most / 2]
        self.relatives = sorted(whole, key=lambda relative: relative.comparison.distance)[:MOST]
        self.numbers = {relative.id: number for number, relative in enumerate(self.relatives)}
        self._computed = computed or Computed()

    def __bool__(self) -> bool:
        """Whether there are two, with a matrix in common."""
        return len(self.relatives) > 1 and bool(self.names)

    @cached_property
    def names(self) -> list[str]:
        """Matrices that all of them have been tested by, as the child names them."""
        first, *others = (relative.tests for relative in self.relatives)
        return evenly([name for name in first if all(name in tests for tests in others)])

    @cached_property
    def points(self) -> Family:
        """Where they lie around the child."""
        return family(self._points(), self._places())

    def _points(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for name in self.names:
            ours = _part(self.relatives[0].pair(name)[1])
            yield ours, np.stack([_part(relative.pair(name)[0]) for relative in self.relatives])

    def _places(self) -> list[int]:
        names = tuple(name for name in self.names if self.matrix(name, 0) is not None)

        def are_alike(first: int, second: int) -> bool:
            known, key = self._computed.copies, (names, self._network(first), self._network(second))
            if key not in known:
                known[key] = are_copies(
                    *([self.matrix(name, at) for name in names] for at in (first, second))
                )
            return known[key]

        return shared_places(self.relatives, are_alike)

    def _network(self, number: int) -> Network:
        return None if number == CHILD else self.relatives[number].pair

    def matrix(self, name: str, number: int) -> np.ndarray | None:
        """The part of a relative's matrix, or the child's, whose spectrum is taken; None if it is too small."""
        known, key = self._computed.matrices, (name, self._network(number))
        if key not in known:
            is_child = number == CHILD
            values = oriented(self.relatives[0 if is_child else number].pair(name)[is_child])
            known[key] = None if values is None else corner(values)
        return known[key]

    def lost(self, name: str, start: int, number: int) -> Side | None:
        """What a relative lost of one matrix of another; None of one that is too small.

        Args:
            start: the number of the other one; number: the relative's.
        """
        known, key = self._computed.losses, (name, self._network(start), self._network(number))
        if key not in known:
            before, after = self.matrix(name, start), self.matrix(name, number)
            known[key] = None if before is None else lost(before, after)
        return known[key]

    def _ancestor(self, name: str, start: int) -> tuple[Ancestor, WeightUpdate]:
        """A relative's matrix, and what the child added to it."""
        known, key = self._computed.ancestors, (name, self._network(start))
        if key not in known:
            ancestor = Ancestor(self.matrix(name, start))
            known[key] = ancestor, ancestor.update_of(self.matrix(name, CHILD))
        return known[key]

    def shares(self, start: int, number: int) -> tuple[list[Shares], list[Shares]]:
        """How much of a relative's update over another one the child contains, and the reverse, by matrix.

        Args:
            start: the number of the other one; number: the relative's.
        """
        found = [
            self._shares(name, start, number) for name in self.names if self.matrix(name, start) is not None
        ]
        known = [both for both in found if both is not None]
        return [forth for forth, _ in known], [back for _, back in known]

    def _shares(self, name: str, start: int, number: int) -> tuple[Shares, Shares] | None:
        known, key = self._computed.shares, (name, self._network(start), self._network(number))
        if key not in known:
            ancestor, of_child = self._ancestor(name, start)
            known[key] = shares_both_ways(ancestor.update_of(self.matrix(name, number)), of_child)
        return known[key]


def _part(values: np.ndarray) -> np.ndarray:
    """Up to 256 rows and 256 columns of a matrix, in one row."""
    rows = sampled(values)
    return rows[:, chosen_rows(rows.shape[1])].ravel().astype(np.float64)
