"""What was undone to the candidate that aligns best, undone to the others, and all of them in its scale.

Relatives of a child mostly have one order among themselves, as training keeps it: the order of the one that aligns
best is theirs. So is its scale, whose weights are as training leaves them: by how much each of the child's neurons
was rescaled beside this one is undone to the child, and the others keep the sizes that they have.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from lineage.auditing.stages.candidates import Candidate
from lineage.auditing.stages.child import Child
from lineage.checkpoints.checkpoint import Checkpoint, Entry
from lineage.relation.alignment.align import Alignment, align_as
from lineage.relation.alignment.axes import State, UnknownStructureError
from lineage.relation.sketch import Untestable, sketch

AS_GOOD = 0.9
"""What was undone to the best is taken for another candidate, if it gives this share of the margin of its own."""


@dataclass(frozen=True)
class Near:
    """A candidate that aligns better than independent networks do; by_rank: log10 of its margin's p-value."""

    candidate: Candidate
    checkpoint: Checkpoint
    alignment: Alignment
    by_rank: float


def log10_p_of(alignment: Alignment, by_rank: float) -> float:
    """Of the order of tensors that had no part in the matching; without two of these, of the margin's rank."""
    held_out = alignment.log10_p
    return by_rank if held_out is None else held_out


def in_one_scale(
    child: State, near: Sequence[Near], state_of: Callable[[Near], State]
) -> tuple[State | None, list[Near]]:
    """The child and the candidates in the order of the child, and in the scale of the one that aligns best.

    Args:
        child: its tensors; near: aligned with it; state_of: a candidate's tensors as they are given.

    Returns:
        The child's tensors, None if they have this scale, and the candidates.
    """
    if not near:
        return None, []
    best = max(near, key=lambda found: found.alignment.margin)
    found = [each if each is best else _as_best(each, best.alignment, child, state_of) for each in near]
    if not best.alignment.factors:
        return None, found
    own_scale = best.alignment.in_own_scale
    return own_scale(child), [
        replace(each, alignment=replace(each.alignment, tensors=own_scale(each.alignment.tensors)))
        for each in found
    ]


def _as_best(near: Near, best: Alignment, ours: State, state_of: Callable[[Near], State]) -> Near:
    own = near.alignment
    if own.is_undone_as(best):
        return near
    try:
        found = align_as(ours, state_of(near), best)
    except UnknownStructureError:
        return near
    if found.margin < AS_GOOD * own.margin:
        return near
    return replace(near, alignment=replace(found, margin=own.margin, tests=own.tests))


def with_tensors(child: Child, tensors: State) -> Child:
    """The child with other values of its tensors."""
    dtypes = {name: entry.dtype for name, entry in child.checkpoint.entries.items()}
    sketches = {name: sketch(tensors[name]) for name in child.digest.sketches}
    testable = {name: found for name, found in sketches.items() if not isinstance(found, Untestable)}
    return replace(
        child,
        checkpoint=replace(child.checkpoint, entries=entries_of(tensors, dtypes)),
        digest=replace(child.digest, sketches=testable),
    )


def entries_of(tensors: Mapping[str, np.ndarray], dtypes: Mapping[str, str]) -> dict[str, Entry]:
    """Tensors in memory as those of a checkpoint, by the names that have a dtype."""
    return {name: Entry(tensors[name].shape, dtype, _reader(tensors[name])) for name, dtype in dtypes.items()}


def _reader(values: np.ndarray) -> Callable[[], np.ndarray]:
    return lambda: values
