"""The relatives that are compared with each other too, beside the child: their matrices, each read once."""

from collections.abc import Iterator, Sequence
from functools import cached_property

import numpy as np

from lineage.auditing.stages.candidates import Relative
from lineage.auditing.stages.thirds.copies import shared_places
from lineage.relation.comparison import evenly, sampled
from lineage.relation.direction.thirds import Family, family
from lineage.relation.direction.updates import Ancestor, Shares, WeightUpdate, shares_both_ways
from lineage.relation.sketch import chosen_rows
from lineage.relation.spectrum import corner, oriented

MOST = 16
"""Relatives that third ones are compared with: the nearest by weights."""
CHILD = -1
"""The child's number among them."""


class Together:
    """Some relatives of a child, by number, and the matrices that all of them were tested by.

    Args:
        relatives: of the child; small parts of it, and those that are far, are left out.
    """

    def __init__(self, relatives: Sequence[Relative]):
        most = max((len(relative.tests) for relative in relatives), default=0)
        whole = [relative for relative in relatives if len(relative.tests) >= most / 2]
        self.relatives = sorted(whole, key=lambda relative: relative.comparison.distance)[:MOST]
        self.numbers = {relative.id: number for number, relative in enumerate(self.relatives)}
        self._matrices: dict[tuple[str, int], np.ndarray | None] = {}
        self._ancestors: dict[tuple[str, int], Ancestor] = {}
        self._updates: dict[tuple[str, int, int], WeightUpdate] = {}
        self._shares: dict[tuple[int, int], tuple[list[Shares], list[Shares]]] = {}

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
        names = [name for name in self.names if self.matrix(name, 0) is not None]
        matrices = [[self.matrix(name, number) for name in names] for number in self.numbers.values()]
        return shared_places(self.relatives, matrices)

    def matrix(self, name: str, number: int) -> np.ndarray | None:
        """The part of a relative's matrix, or the child's, whose spectrum is taken; None if it is too small."""
        if (name, number) not in self._matrices:
            is_child = number == CHILD
            values = oriented(self.relatives[0 if is_child else number].pair(name)[is_child])
            self._matrices[name, number] = None if values is None else corner(values)
        return self._matrices[name, number]

    def _update(self, name: str, start: int, number: int) -> WeightUpdate:
        """What a network added to one matrix of another."""
        if (name, start, number) not in self._updates:
            if (name, start) not in self._ancestors:
                self._ancestors[name, start] = Ancestor(self.matrix(name, start))
            update = self._ancestors[name, start].update_of(self.matrix(name, number))
            self._updates[name, start, number] = update
        return self._updates[name, start, number]

    def shares(self, start: int, number: int) -> tuple[list[Shares], list[Shares]]:
        """How much of a relative's update over another one the child contains, and the reverse, by matrix.

        Args:
            start: the number of the other one; number: the relative's.
        """
        if (start, number) not in self._shares:
            found = [
                shares_both_ways(self._update(name, start, number), self._update(name, start, CHILD))
                for name in self.names
                if self.matrix(name, start) is not None
            ]
            known = [both for both in found if both is not None]
            self._shares[start, number] = [forth for forth, _ in known], [back for _, back in known]
        return self._shares[start, number]


def _part(values: np.ndarray) -> np.ndarray:
    """Up to 256 rows and 256 columns of a matrix, in one row."""
    rows = sampled(values)
    return rows[:, chosen_rows(rows.shape[1])].ravel().astype(np.float64)
