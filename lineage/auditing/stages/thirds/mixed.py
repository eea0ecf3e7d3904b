"""Mixed: relatives that are an exact mixture of the child and other relatives, as an average of weights is.

Nothing but averaging puts a network there: training leaves the plane of others at once. So the child was there first.
"""

import numpy as np

from lineage.auditing.stages.thirds.together import Together
from lineage.relation.mixture import EXACT, SMALLEST, mixture, unexplained
from lineage.relation.scars.scar import Later, Scar, ScarKind

NOTHING = 1e-9
"""Share of the largest squared difference that is none."""


def mixed_with_child(together: Together) -> dict[str, Scar]:
    """The scar of each relative that is such a mixture, by id.

    The child is the origin: what is missing of the weights' sum to 1 is its own weight.
    """
    if not together:
        return {}
    names = [relative.id for relative in together.relatives]
    return {
        name: scar for at, name in enumerate(names) if (scar := _scar(at, names, together.points.products))
    }


def _scar(at: int, names: list[str], products: np.ndarray) -> Scar | None:
    others = np.delete(np.arange(len(names)), at)
    energy, with_others = float(products[at, at]), products[others, at]
    if energy <= NOTHING * products.diagonal().max():
        return None
    gram = products[np.ix_(others, others)]
    found = mixture([names[number] for number in others], gram, with_others, energy)
    weights = np.array(list(found.weights.values()))
    own = 1 - float(weights.sum())
    rest = unexplained(weights, gram, with_others, energy)
    apart = energy - 2 * with_others + products.diagonal()[others]
    if own < SMALLEST or not found.parents or rest > EXACT * (weights**2 @ apart + own**2 * energy):
        return None
    parts = " + ".join(f"{weight:.2f} x {name}" for name, weight in found.parents.items())
    return Scar(
        kind=ScarKind.MIXED,
        later=Later.CANDIDATE,
        evidence=f"the candidate's weights are those of {own:.2f} x the child + {parts}",
    )
