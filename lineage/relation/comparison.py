"""A child and one of its relatives, tensor by tensor: what stayed, what moved, and what each lost of the other.

Tensors are read one at a time, so memory is bounded by the largest.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Protocol

import numpy as np

from lineage.relation.direction.lost import MatrixChange, measured, pooled
from lineage.relation.direction.norms import are_enough, are_factors, norms_among
from lineage.relation.matching import Matching
from lineage.relation.scars.cells import is_halved
from lineage.relation.scars.scar import Scar
from lineage.relation.scars.search import ScarSearch
from lineage.relation.sketch import chosen_rows
from lineage.relation.spectrum import EXACT, FEWEST
from lineage.relation.structure.settle import shapes_of
from lineage.relation.structure.sizes import common_part, scaled_to
from lineage.relation.structure.weaving import unwoven, woven

ROUNDING = {
    "i8": 0.03,
    "int8": 0.03,
    "uint8": 0.03,
    "bf16": 8e-3,
    "bfloat16": 8e-3,
    "f16": 1e-3,
    "float16": 1e-3,
}
"""Relative change that storing in a dtype can make, by the formats' names for it; others: EXACT."""
MOST_MATRICES = 12
"""Matrices whose spectrum is computed: at most so many, evenly chosen."""
RESCALED = 0.5
"""Spread of scales beyond which neurons were rescaled: training from a common start leaves less."""
FEWEST_ROWS = 16
"""Matrices with fewer rows show no spread."""


@dataclass(frozen=True)
class Comparison:
    """How a child differs from a candidate.

    changes: ‖c − p‖ / ‖p‖ of each matched tensor, by the child's name; unchanged: those within rounding, also to half
    precision that is stored in full; distance: over all matrices that are no head; beside_scale: the same, with the
    scale of each matrix that leaves least, which weight decay changes; measure: reads those matrices again whose
    spectra are looked at, and says what each lost and gained; is_narrow: whether all of them that differ have too few
    rows or columns for that; scars: what only time can have done to one of the two; spread: see `spread_of_scales`,
    the largest of the rows and of the columns of the backbone's matrices; has_norms: whether either network shows
    norms, which the other may have had folded into matrices, or stored under no name.
    """

    changes: dict[str, float]
    unchanged: set[str]
    distance: float
    beside_scale: float
    measure: Callable[[], Sequence[MatrixChange]]
    scars: Sequence[Scar] = ()
    spread: float = 0.0
    is_narrow: bool = False
    has_norms: bool = False

    @cached_property
    def features(self) -> dict[str, float]:
        """What a model of direction takes; empty without a matrix. Spectra are dear, and of far relatives unused."""
        found = pooled(self.measure())
        return found | {"norms": float(self.has_norms)} if found else found

    @property
    def is_rescaled(self) -> bool:
        """Whether neurons were scaled one by one, as no training of known families does."""
        return self.spread > RESCALED


class Entry(Protocol):
    """What a tensor is, before it is read."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Its shape."""

    @property
    def dtype(self) -> str:
        """The format's name of its type."""


class Tensors(Protocol):
    """Named tensors that are read one at a time."""

    @property
    def entries(self) -> Mapping[str, Entry]:
        """What each tensor is."""

    def read(self, name: str) -> np.ndarray:
        """One tensor, float32."""


class Pair:
    """Reads the matched tensors of a child and a candidate, the candidate's laid out as the child's are."""

    def __init__(self, child: Tensors, candidate: Tensors, matching: Matching):
        self.child, self.candidate, self.matching = child, candidate, matching

    def __call__(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """The candidate's and the child's values of a matched tensor, of one shape."""
        matching, ours = self.matching, self.child.read(name)
        parts = [self.candidate.read(part) for part in matching.joined.get(name, (matching.pairs[name],))]
        shares = matching.shares.get(name, 1)
        theirs = woven(parts, shares) if len(parts) > 1 else parts[0]
        if name in matching.transposed:
            theirs = theirs.swapaxes(0, 1)
        if name in matching.rows:
            theirs = unwoven(theirs, shares, matching.rows[name])
        if name in matching.resized:
            return common_part(theirs, ours)
        if theirs.shape != ours.shape:
            theirs = theirs.reshape(ours.shape)
        if name in matching.scaled:
            theirs = scaled_to(theirs, ours)
        return theirs, ours

    def rounding(self, name: str) -> float:
        """The relative change that the two files' dtypes explain."""
        dtypes = (self.child.entries[name].dtype, self.candidate.entries[self.matching.pairs[name]].dtype)
        return max(ROUNDING.get(dtype.lower(), EXACT) for dtype in dtypes)


def compare(pair: Pair, backbone: list[str]) -> Comparison:
    """Compares all matched tensors.

    Args:
        pair: the two checkpoints.
        backbone: the child's matched matrices that are no head.
    """
    changes, unchanged, moved, left, energy = {}, set(), 0.0, 0.0, 0.0
    differing, search, spread = [], ScarSearch(), 0.0
    large = [name for name in backbone if pair.child.entries[name].shape[0] >= FEWEST]
    looked_at = set(evenly(large))
    for name in pair.matching.pairs:
        theirs, ours = pair(name)
        difference = np.linalg.norm((ours - theirs).reshape(-1))
        size = np.linalg.norm(theirs.reshape(-1))
        changes[name] = float(difference / size) if size > 0 else float(difference > 0)
        if changes[name] <= pair.rounding(name) or _is_half_of_other(theirs, ours, changes[name]):
            unchanged.add(name)
        if name in looked_at and changes[name] > EXACT:
            differing.append(name)
        if name in backbone:
            search.look(theirs, ours)
            by_column = spread_of_scales(theirs.swapaxes(0, 1), ours.swapaxes(0, 1))
            spread = max(spread, spread_of_scales(theirs, ours), by_column)
            moved, energy = moved + float(difference) ** 2, energy + float(size) ** 2
            left += beside_scale(theirs, ours) ** 2 if difference else 0.0
    differ = [name for name in backbone if changes[name] > EXACT]
    return Comparison(
        changes,
        unchanged,
        float(np.sqrt(moved / energy)) if energy else float("nan"),
        float(np.sqrt(left / energy)) if energy else float("nan"),
        partial(_measured_again, pair, differing),
        search.scars(),
        spread,
        bool(differ) and not any(_is_wide(pair.child.entries[name].shape) for name in differ),
        are_enough(max(map(_norms_of, (pair.child, pair.candidate))), len(backbone)),
    )


def _measured_again(pair: Pair, names: Sequence[str]) -> list[MatrixChange]:
    """What each of these matrices lost and gained."""
    return [found for name in names if (found := measured(*pair(name))) is not None]


def _norms_of(network: Tensors) -> int:
    """How many norms a network shows."""
    found = norms_among(shapes_of(network))
    return sum(is_named or are_factors(network.read(name)) for name, is_named in found.items())


def _is_wide(shape: tuple[int, ...]) -> bool:
    """Whether a matrix has the rows and columns that its spectrum needs."""
    return min(shape[0], math.prod(shape[1:])) >= FEWEST


def _is_half_of_other(theirs: np.ndarray, ours: np.ndarray, change: float) -> bool:
    """Whether one of two tensors is the other in half precision, whatever type it is stored in."""
    return change <= ROUNDING["bf16"] and (is_halved(theirs, ours) or is_halved(ours, theirs))


def spread_of_scales(before: np.ndarray, after: np.ndarray) -> float:
    """Half of what lies between the 16 % and the 84 % quantile of log ‖c_i‖ / ‖a_i‖ over the rows i of two matrices.

    A standard deviation, were the logarithms normal; 0 with fewer than FEWEST_ROWS rows that are not 0 in both.

    Args:
        before, after: [n, ...] of one shape.
    """
    sizes = [np.linalg.norm(values.reshape(len(values), -1), axis=1) for values in (before, after)]
    alive = (sizes[0] > 0) & (sizes[1] > 0)
    if np.count_nonzero(alive) < FEWEST_ROWS:
        return 0.0
    low, high = np.quantile(np.log(sizes[1][alive] / sizes[0][alive]), (0.16, 0.84))
    return float(high - low) / 2


def beside_scale(before: np.ndarray, after: np.ndarray) -> float:
    """‖after − b before‖, with the b that leaves least; twice, as products of 32 bits leave some of it at first."""
    before, left = before.reshape(-1), (after - before).reshape(-1)
    if energy := float(np.vdot(before, before)):
        for _ in range(2):
            left = left - np.vdot(before, left) / energy * before
    return float(np.linalg.norm(left))


def sampled(values: np.ndarray) -> np.ndarray:
    """Up to 256 rows of a matrix, the same for all of its shape: [rows, columns]."""
    return values[chosen_rows(len(values))].reshape(-1, values[0].size)


def evenly(names: list[str]) -> list[str]:
    """At most MOST_MATRICES of them, from the first to the last."""
    if len(names) <= MOST_MATRICES:
        return names
    return [names[round(place)] for place in np.linspace(0, len(names) - 1, MOST_MATRICES)]
