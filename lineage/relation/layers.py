"""Where each layer of the child comes from.

The rows of a matrix speak for its layer. `frozen`: equal to rounding; `fine-tuned`: dependent on the source's rows;
`re-initialised`: dependent on no candidate, and its spectrum is that of random numbers, or it is a head;
`unrelated`: dependent on no candidate, and trained; `grafted`: dependent on a candidate that is not the parent.
"""

from dataclasses import dataclass

import numpy as np

FROZEN, FINE_TUNED, REINITIALISED, UNRELATED, GRAFTED = (
    "frozen", "fine-tuned", "re-initialised", "unrelated", "grafted"
)  # fmt: skip
EDGE = 1.15
"""A largest singular value within so many times that of random numbers is none that training made."""


@dataclass(frozen=True)
class LayerOrigin:
    """One matrix of the child: its state, the candidate it comes from, and how sure that is."""

    tensor: str
    state: str
    source: str | None
    change: float | None
    z: float | None
    log10_p: float | None
    is_evidence: bool


def looks_random(values: np.ndarray) -> bool:
    """Whether a matrix has no singular value beyond those of independent entries (Marchenko & Pastur 1967)."""
    flat = values.reshape(len(values), -1)
    centred = flat - flat.mean()
    short, long = sorted(flat.shape)
    largest = float(
        np.sqrt(np.linalg.eigvalsh(centred @ centred.T if len(flat) == short else centred.T @ centred)[-1])
    )
    return largest <= EDGE * float(centred.std()) * (np.sqrt(short) + np.sqrt(long))


def origin(
    tensor: str,
    tests: dict[str, tuple[float, float]],
    *,
    parent: str | None,
    limit: float,
    change: float | None,
    is_unchanged: bool,
    is_head: bool,
    is_random: bool,
    is_evidence: bool,
) -> LayerOrigin:
    """The origin of one matrix.

    Args:
        tensor: its name.
        tests: (z, log10 p) against each candidate.
        parent: the parent's id, None if there is none.
        limit: log10 p at most this is dependence.
        change: relative change from the parent; is_unchanged: whether that is rounding.
        is_head: a head; is_random: its spectrum is that of random numbers; is_evidence: its rows' order is free.
    """
    dependent = {name: test for name, test in tests.items() if test[1] <= limit}
    source = max(dependent, key=lambda name: dependent[name][0], default=None)
    if parent in dependent and dependent[parent][0] >= 0.9 * dependent[source][0]:
        source = parent
    if is_unchanged and parent is not None and (source in (None, parent)):
        state, source = FROZEN, parent
    elif source is None:
        state = REINITIALISED if is_head or is_random else UNRELATED
    else:
        state = FINE_TUNED if source == parent or parent is None else GRAFTED
    z, log10_p = tests.get(source, (None, None))
    return LayerOrigin(tensor, state, source, change if source == parent else None, z, log10_p, is_evidence)
