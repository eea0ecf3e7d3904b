"""What third relatives say of a pair: where on its path they leave it.

Weight changes since a common ancestor are nearly orthogonal, so squared distances add up along a family tree. A third
relative X then leaves the path from a candidate A to a child C at

    share = ⟨A − C, A − X⟩ / ‖A − C‖²:

0 if A lies between the child and X, 1 if the child lies between A and X, and for an X that parted from both before
they did, the share that A moved since (a Gromov product, as in neighbour joining: Saitou & Nei 1987,
doi:10.1093/oxfordjournals.molbev.a040454).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

GOES_ON = -0.4
"""A child goes on the way that the candidate came if a relative from before leaves the path at less than this share.
Where steps of training are independent of each other, the share is 0 for a stage of the child's training, -1 for an
exponential average of its steps, which holds less of a step the later it was, and -1/2 for the mean of the last
stages."""
AT_CHILD = -1
"""The place of what is a copy of the child."""
QUANTILES = {"least": 0.0, "low": 0.25, "middle": 0.5, "high": 0.75, "most": 1.0}


@dataclass(frozen=True)
class Family:
    """A child and its relatives as points: by_matrix[m, i, j] = ⟨X_i − C, X_j − C⟩ of relatives i and j.

    places: of each relative, the same for copies of one network; by default each has its own.
    """

    by_matrix: np.ndarray
    places: Sequence[int] = ()

    @cached_property
    def products(self) -> np.ndarray:
        """The products over all matrices."""
        return self.by_matrix.sum(0)

    def others(self, candidate: int) -> np.ndarray:
        """The numbers of the relatives that are third to a candidate and the child, one of each place.

        A copy of either says nothing of the two: it leaves their path where its source stands.
        """
        places = np.asarray(self.places if len(self.places) else range(len(self.products)))
        firsts = np.unique(places, return_index=True)[1]
        return np.sort(firsts[~np.isin(places[firsts], (places[candidate], AT_CHILD))])

    def shares(self, candidate: int) -> np.ndarray:
        """Where every third relative leaves the path from a candidate to the child, in their order."""
        own = self.products[candidate, candidate]
        return 1 - self.products[candidate, self.others(candidate)] / max(own, 1e-30)

    def apart(self, start: int, relative: int) -> float:
        """The squared distance of two relatives, over that of the first and the child."""
        before, cross, after = (
            self.products[at] for at in ((start,) * 2, (start, relative), (relative,) * 2)
        )
        return float((before + after - 2 * cross) / max(before, 1e-30))

    def farthest(self, candidate: int) -> int | None:
        """Of the third relatives, the one farthest from both; None without any."""
        others = self.others(candidate)
        if not len(others):
            return None
        return int(others[np.argmax(self._aside(candidate)[others])])

    def is_told_apart(self, third: int, candidate: int, resolution: float) -> bool:
        """Whether a third relative stands farther from a candidate and from the child than a share of their distance.

        One that is nearer leaves their path where it stands, whichever of the two is older.

        Args:
            resolution: the share, squared.
        """
        return bool(self._aside(candidate)[third] > resolution * self.products[candidate, candidate])

    def _aside(self, candidate: int) -> np.ndarray:
        """The squared distance of every relative from a candidate or the child, whichever is nearer."""
        squares = np.diagonal(self.products)
        return np.minimum(squares, squares + squares[candidate] - 2 * self.products[candidate])

    def features(self, candidate: int) -> dict[str, float]:
        """What the shares say, named as in `lineage.relation.direction.lost`; NaN without a third relative."""
        shares = self.shares(candidate)
        found = {"thirds": float(np.log1p(len(shares)))}
        for end, values in (("candidate", shares), ("child", 1 - shares)):
            for name, at in QUANTILES.items():
                found[f"third_{name}.{end}"] = float(np.quantile(values, at)) if len(values) else float("nan")
        farthest = self.farthest(candidate)
        own = self.products[candidate, candidate]
        far = (
            1 - self.products[candidate, farthest] / max(own, 1e-30) if farthest is not None else float("nan")
        )
        return found | {"third_far.candidate": float(far), "third_far.child": float(1 - far)}


def goes_on(features: Mapping[str, float]) -> bool:
    """Whether a child goes on the way that the candidate came, seen from the relative farthest from both.

    The candidate is then a stage of the child's training, or an average of such stages, which lies beside its way.

    Args:
        features: of the candidate, see `Family.features`; without a third relative nothing is known.
    """
    return features.get("third_far.candidate", 0.0) < GOES_ON


def family(matrices: Iterable[tuple[np.ndarray, np.ndarray]], places: Sequence[int] = ()) -> Family:
    """The inner products of relatives' differences from a child, every matrix counting alike.

    Args:
        matrices: of each matrix the child's values [m], and all its relatives' [k, m]; at least one.
        places: where each relative stands, the same for copies.
    """
    products = []
    for ours, theirs in matrices:
        differences = theirs.astype(np.float64) - ours
        products.append(differences @ differences.T / max(float(ours @ ours), 1e-30))
    return Family(np.stack(products), places)
