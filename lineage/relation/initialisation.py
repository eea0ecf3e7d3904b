"""An exact test of whether a network was trained from an initialisation that its owner reveals.

The child's units are compared with the most similar ones of the initialisation, whatever their order and scale. If
the child did not come from this one, another of the same kind, whose numbers were drawn anew, would do as well.
Numbers that are drawn independently of each other are drawn anew by exchanging their places, so the rank among such
draws is exact (Barnard 1963; Dwass 1957, doi:10.1214/aoms/1177707045).
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from lineage.relation.alignment.axes import Member, State, Structure, UnknownStructureError, shapes_of
from lineage.relation.alignment.canonical import SMALLEST, canonical_scale, unit_rows
from lineage.relation.alignment.disguises import without_gains
from lineage.relation.alignment.neurons import Sides, assigned
from lineage.relation.alignment.structure import structure_of
from lineage.relation.tensor_names import canonical, heads

DRAWS = 999
SEVERAL = 64
"""With so many numbers a unit, the first group of units is enough; else the second is looked at as well."""
MOST_UNITS = 256
"""Units of the child that are looked at: more are thinned evenly."""


@dataclass(frozen=True)
class InitialTest:
    """The test: log10 of the p-value, z over the draws, how many there were, and the tensors that were compared."""

    log10_p: float
    z: float
    draws: int
    tensors: tuple[str, ...]


def initial_test(child: State, initial: State, draw: np.random.Generator, draws: int = DRAWS) -> InitialTest:
    """Tests whether a child comes from an initialisation.

    Args:
        child: tensors by name; initial: the same, before any training.
        draw: random numbers; draws: initialisations that are drawn anew.

    Raises:
        UnknownStructureError: if the axes that share an order are not known.
    """
    child, initial = (
        {canonical(name): values for name, values in state.items()} for state in (child, initial)
    )
    seen = _Seen(child, initial)
    given = seen.similarity(initial)
    drawn = np.array([seen.similarity(seen.anew(initial, draw)) for _ in range(draws)])
    as_good = int(np.count_nonzero(~(drawn < given)))
    return InitialTest(
        log10_p=math.log10((1 + as_good) / (1 + draws)),
        z=float((given - drawn.mean()) / max(float(drawn.std()), SMALLEST)),
        draws=draws,
        tensors=seen.tensors,
    )


class _Seen:
    """What of a child is compared: the first matrix whose columns have a fixed order, and the next."""

    def __init__(self, child: State, initial: State):
        whole = structure_of(shapes_of(child))
        if any(
            name not in initial or initial[name].shape != child[name].shape for name in _wide(whole, child)
        ):
            raise UnknownStructureError("the initialisation has not the child's tensors")
        sides = Sides(child, initial, whole, whole, frozenset(heads(shapes_of(child))))
        self._members: dict[str, Member] = {}
        for group in whole.groups:
            if not (known := sides.known(group)):
                continue
            widest = max(known, key=lambda member: child[member.tensor].size)
            self._members[group.id] = widest
            sides.orders[group.id] = np.arange(group.size)
            if len(self._members) == 2 or child[widest.tensor].size >= SEVERAL * group.size:
                break
        if not self._members:
            raise UnknownStructureError("no matrix has columns in a fixed order")
        self.tensors = tuple(member.tensor for member in self._members.values())
        self._structure = Structure(
            groups=tuple(
                replace(
                    group, members=tuple(member for member in group.members if member.tensor in self.tensors)
                )
                for group in whole.groups
                if group.id in self._members
            )
        )
        self._child = canonical_scale(self._part(without_gains(child, whole)), self._structure)

    def _part(self, state: State) -> dict[str, np.ndarray]:
        return {name: state[name] for name in self.tensors}

    def anew(self, initial: State, draw: np.random.Generator) -> State:
        """An initialisation with the same numbers in other places."""
        return {
            name: draw.permutation(initial[name].ravel()).reshape(initial[name].shape)
            for name in self.tensors
        }

    def similarity(self, initial: State) -> float:
        """The mean cosine of the child's units and the most similar ones of an initialisation, the groups' sum."""
        scaled = canonical_scale(self._part(initial), self._structure)
        sides = Sides(self._child, scaled, self._structure, self._structure)
        found, groups = 0.0, self._structure.groups
        for group in groups:
            theirs, ours = map(unit_rows, sides.pair(self._members[group.id], group))
            if group is groups[-1]:
                looked_at = np.unique(np.linspace(0, len(ours) - 1, MOST_UNITS).astype(int))
                return found + float((ours[looked_at] @ theirs.T).max(1).mean())
            cosines = ours @ theirs.T
            found += float(cosines.max(1).mean())
            sides.orders[group.id] = assigned(cosines)
        return found


def _wide(structure: Structure, state: State) -> set[str]:
    """The tensors of the groups that are no vectors, but for the head."""
    members = (member.tensor for group in structure.groups for member in group.members)
    return {name for name in members if state[name].ndim > 1} - heads(shapes_of(state))
