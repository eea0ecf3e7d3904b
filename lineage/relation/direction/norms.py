"""Whether networks have norms, which leave other marks of training in what stands before them.

The gradient of such a matrix is orthogonal to it (van Laarhoven 2017, arXiv:1706.05350): without weight decay, steps
make it larger whatever is learnt. A norm is told by its name or its running variance; one without either by a bias
beside its factors, which are about 1. Of two relatives one is enough, as both were trained alike. What is missed, as
norms that were folded into matrices of both, only costs power.
"""

import re
from collections.abc import Mapping

import numpy as np

from lineage.relation.tensor_names import VARIANCES, canonical, layer_of

NORM = re.compile(
    r"(?:^|[._])(?:[a-z]*norm[a-z]*|[a-z]*_?(?:ln|bn|gn|rms))(?:[._]?\d+|_[a-z]+)?$", re.IGNORECASE
)
"""Names of modules that are norms, in any of their parts' spellings."""
FACTORS = ("weight", "scale")
FEWEST_FACTORS, LEAST_POSITIVE = 8, 0.9
"""Numbers of a vector of factors, and the share of them that is positive."""
LEAST_FACTOR, MOST_FACTOR = 0.3, 5.0
"""Between which the median of factors lies that no name tells: they begin at 1, and slopes of a PReLU at 0.25."""
MATRICES_A_NORM = 4
"""A network with norms has at least one for so many matrices, as a transformer's blocks have. Those to which experts
or adapters add many matrices count as without."""


def norms_among(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, bool]:
    """One vector of each module that may be a norm, and whether names alone say that it is one.

    Args:
        shapes: of a network's tensors, by name.
    """
    modules: dict[str, dict[str, str]] = {}
    for name in shapes:
        modules.setdefault(layer_of(name), {})[canonical(name).rpartition(".")[2]] = name
    found = {}
    for module, tensors in modules.items():
        sizes = {shapes[name] for name in tensors.values() if shapes[name]}
        vector = next((tensors[leaf] for leaf in (*FACTORS, VARIANCES) if leaf in tensors), None)
        if (
            vector is None
            or len(sizes) != 1
            or len(shapes[vector]) != 1
            or shapes[vector][0] < FEWEST_FACTORS
        ):
            continue
        is_named = VARIANCES in tensors or NORM.search(module) is not None
        if is_named or "bias" in tensors:
            found[vector] = is_named
    return found


def are_factors(values: np.ndarray) -> bool:
    """Whether numbers look like a norm's factors."""
    is_positive = float(np.mean(values > 0)) >= LEAST_POSITIVE
    return is_positive and LEAST_FACTOR <= float(np.median(values)) <= MOST_FACTOR


def are_enough(norms: int, matrices: int) -> bool:
    """Whether a network of so many matrices and norms counts as one with norms."""
    return norms * MATRICES_A_NORM >= matrices > 0
