"""Where each layer of the child comes from.

A layer is judged by the rows of its matrix, a head without enough of them by its columns. `frozen`: equal to its
source, to rounding; `fine-tuned`: dependent on the rows of its source; `re-initialised`: dependent on no candidate,
and its spectrum is that of random numbers, or it is a head; `unrelated`: dependent on no candidate, and trained;
`grafted`: no head, dependent on another candidate and not on the parent; `not tested`: no candidate has a matrix to
test it against, its rows cannot be tested, or it is a head that may be an old one or a new one.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from lineage.relation.permutation_test import RowTest
from lineage.relation.structure.pieces import ALIKE
from lineage.relation.tensor_names import NUMBERS, canonical

EDGE = 1.15
"""A largest singular value up to so many times that of random numbers does not come from training."""


class State(StrEnum):
    """What was done with a layer."""

    FROZEN = "frozen"
    FINE_TUNED = "fine-tuned"
    REINITIALISED = "re-initialised"
    UNRELATED = "unrelated"
    GRAFTED = "grafted"
    UNTESTED = "not tested"


@dataclass(frozen=True)
class LayerOrigin:
    """One matrix of the child: its state, the candidate it comes from, and how sure that is.

    of: the source's matrix that it was, by its name there.
    """

    tensor: str
    state: State
    source: str | None
    change: float | None
    z: float | None
    log10_p: float | None
    is_evidence: bool
    of: str | None = None


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
    tests: Mapping[str, RowTest],
    *,
    parent: str | None,
    limit: float,
    change: float | None,
    equal_to: Sequence[str],
    is_head: bool,
    is_random: bool,
    is_evidence: bool,
    is_open: bool = False,
) -> LayerOrigin:
    """The origin of one matrix.

    A new head that is trained on the same neurons becomes dependent on the old one by what both learn of them; so a
    head is the old one, fine-tuned, only where it is alike too. The closest may have got a new head, and its parent's
    is then another relative's: that is no graft.

    Args:
        tensor: its name.
        tests: of this matrix against each candidate.
        parent: the parent's id, None if there is none.
        limit: log10 p at most this is dependence.
        change: relative change from the parent; equal_to: relatives that have it, to rounding, most similar first.
        is_head: a head; is_random: its spectrum is that of random numbers; is_evidence: its rows' order is free.
        is_open: a head, where there is no relative, or one has a matrix of this shape that it was not tested against.
    """
    dependent = {name: test for name, test in tests.items() if test.log10_p <= limit}
    alike = {name: test for name, test in dependent.items() if not is_head or test.similarity >= ALIKE}
    nearest = max(alike, key=lambda name: alike[name].similarity, default=None)
    source = parent if parent in alike else nearest
    equal = parent if parent in equal_to else next(iter(equal_to), None)
    if equal is not None and (is_head or source in (None, parent)):
        state, source = State.FROZEN, equal
    elif source is not None:
        state = State.FINE_TUNED if is_head or source == parent or parent is None else State.GRAFTED
    elif (is_open or dependent) if is_head else not tests:
        state = State.UNTESTED
    else:
        state = State.REINITIALISED if is_head or is_random else State.UNRELATED
    test = tests.get(source)
    return LayerOrigin(
        tensor,
        state,
        source,
        change if source == parent else None,
        test.z if test else None,
        test.log10_p if test else None,
        is_evidence,
    )


def moves(layers: Iterable[LayerOrigin]) -> dict[str, str]:
    """The child's layers that have another number in their source, with what they were there: `layer.7`: `layer.9`.

    Names that differ in more than numbers are another library's, and no moves.
    """
    found: dict[str, str] = {}
    for layer in layers:
        ours, theirs = (NUMBERS.split(canonical(name)) for name in (layer.tensor, layer.of or layer.tensor))
        if len(ours) != len(theirs) or ours[::2] != theirs[::2]:
            continue
        place = next((place for place in range(1, len(ours), 2) if ours[place] != theirs[place]), None)
        if place is not None:
            found.setdefault("".join(ours[: place + 1]), "".join(theirs[: place + 1]))
    return found
