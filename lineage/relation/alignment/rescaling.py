"""By how much each unit of one network was scaled beside another's: what training leaves alone tells.

A unit with inputs u and outputs v gives the same with s u and v / s. Gradients leave ‖u‖² − ‖v‖² as it is, but for
the size of steps (Du et al. 2018, arXiv:1806.00900), and where a norm undoes u's scale, they are orthogonal to u (van
Laarhoven 2017, arXiv:1706.05350). So of small changes to u' and v', training leaves uᵀ(u' − u) − vᵀ(v' − v) near 0,
and a scale does not.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from lineage.relation.alignment.axes import Gain, Group, Kind, Member, Side, State, Structure
from lineage.relation.alignment.canonical import SMALLEST, in_scale, rescale, scales, units
from lineage.relation.tensor_names import canonical

RESCALED = 0.6
"""Units were scaled where the middle four fifths of their log scales spread wider; training spreads them less."""
DEAD = 1e-6
"""A unit of less than this share of the typical size is dead."""
SWEEPS, SETTLED = 8, 1e-3
"""How often scales are found again from those of neighbours, at most; they are settled where half change by less."""
RELATED = 0.5
"""Median cosine of units from which on both have a tensor in common: a new head says nothing of a scale."""


def ratios(child: State, candidate: State, structure: Structure) -> dict[str, np.ndarray]:
    """The sizes of the child's units over the candidate's, of units by group and of norms by their weight."""
    own, theirs = scales(child, structure), scales(candidate, structure)
    found = {
        group.id: _ratio(own[group.id], theirs[group.id]) for group in structure.groups if group.id in own
    }
    for gain in structure.gains:
        found[gain.weight] = _ratio(np.abs(child[gain.weight]), np.abs(candidate[gain.weight]))
    return found


def _ratio(own: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """The quotient of sizes; 1 of units that are dead in one of the two."""
    is_alive = (own > DEAD * np.median(own)) & (theirs > DEAD * np.median(theirs))
    return np.where(is_alive, own, 1.0) / np.where(is_alive, theirs, 1.0)


def is_rescaled(factors: np.ndarray) -> bool:
    """Whether scales differ by more than training changes them; a few units may."""
    low, high = np.quantile(np.log(factors), (0.1, 0.9))
    return bool(high - low > RESCALED)


def fitted(
    child: State, candidate: State, structure: Structure, sizes: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """By how much the units of some groups and norms were scaled in the child, beside the candidate.

    None were where undoing it leads the child no nearer: long training alone changed their sizes so much.

    Args:
        child, candidate: of one structure, in one order; sizes: of these groups and norms, the ratios to start from;
            1 of units that are dead, which stay so.
    """
    norms = [_as_group(gain, len(sizes[gain.weight])) for gain in structure.gains if gain.weight in sizes]
    groups = [*(group for group in structure.groups if group.id in sizes), *norms]
    natural, factors = in_scale(child, structure, {id: 1 / found for id, found in sizes.items()}), dict(sizes)
    for _ in range(SWEEPS):
        changes = []
        for group in groups:
            found = _scale(natural, candidate, group)
            found = np.where(np.isfinite(found) & (found > 0) & (sizes[group.id] != 1), found, 1.0)
            rescale(natural, group, 1 / found)
            factors[group.id] = factors[group.id] * found
            changes.append(np.median(np.abs(np.log(found))))
        if max(changes, default=0.0) < SETTLED:
            break
    return factors if _apart(natural, candidate) < _apart(child, candidate) else {}


def _apart(child: State, candidate: State) -> float:
    """The squared distance over the tensors that both have in one shape."""
    return sum(
        float(np.square(values.astype(np.float64) - candidate[name]).sum())
        for name, values in child.items()
        if name in candidate and candidate[name].shape == values.shape
    )


def _as_group(gain: Gain, size: int) -> Group:
    """A norm's factors as units, whose scale what takes them undoes."""
    own = tuple(Member(tensor, 0, Side.FOLLOWS, power=1) for tensor in gain.norm)
    return Group(id=gain.weight, kind=Kind.STREAM, size=size, members=own + gain.takers)


def _scale(child: State, candidate: State, group: Group) -> np.ndarray:
    """The scale s of each unit for which training has left what it leaves alone; not finite where nothing tells.

    Of inputs s u' and outputs v' / s that the child has: uᵀ(u' − u) = vᵀ(v' − v), a quadratic equation in s.
    """
    given, taken = (_Seen.of(child, candidate, group, power) for power in (1, -1))
    apart = given.size - taken.size
    with np.errstate(all="ignore"):
        if not taken.size.any():
            return given.along / given.size
        return (np.sqrt(np.square(apart) + 4 * given.along * taken.along) - apart) / (2 * taken.along)


@dataclass(frozen=True)
class _Seen:
    """Of a group's inputs, or its outputs: the candidate's squared size, and the child's product with it: [units].

    Numbers that the child has pruned say nothing of a scale.
    """

    size: np.ndarray
    along: np.ndarray

    @classmethod
    def of(cls, child: State, candidate: State, group: Group, power: int) -> "_Seen":
        """By all tensors that both have in one shape, as heads of as many classes, and that have this power."""
        size, along = np.zeros(group.size), np.zeros(group.size)
        for member in group.members:
            is_shared = np.shape(child[member.tensor]) == np.shape(candidate[member.tensor])
            if is_shared and member.power == power and not canonical(member.tensor).endswith("running_mean"):
                ours, theirs = (
                    units(state, member, group).astype(np.float64) for state in (child, candidate)
                )
                products, squares = (ours * theirs).sum(1), np.square(theirs * (ours != 0)).sum(1)
                sizes = np.sqrt(squares * np.square(ours).sum(1))
                if np.median(products / np.maximum(sizes, SMALLEST)) >= RELATED:
                    size, along = size + squares, along + products
        return cls(size, along)
