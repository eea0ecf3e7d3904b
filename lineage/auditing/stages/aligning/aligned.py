"""Align: where nothing is found as the weights are, candidates in the order, scale and rotation of the child.

A candidate counts as dependent if it aligns better than independent networks do (`Decoys`), and, where tensors were
held out of the matching, if the exact test of their order says so too.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property

import numpy as np

from lineage.auditing.decoys import Decoys
from lineage.auditing.stages.aligning.layout import Layout
from lineage.auditing.stages.aligning.near import Near, entries_of, in_one_scale, log10_p_of, with_tensors
from lineage.auditing.stages.candidates import Candidate
from lineage.auditing.stages.child import Child
from lineage.auditing.stages.comparing import Opened
from lineage.auditing.stages.verdict import Evidence, Verdict, Word
from lineage.checkpoints.checkpoint import Checkpoint
from lineage.errors import UserError
from lineage.progress import Tracked, untracked
from lineage.relation.alignment.align import Alignment, align, margin_by_chance
from lineage.relation.alignment.axes import State, UnknownStructureError, shapes_of
from lineage.relation.matching import MatchedBy, Matching, laid_out
from lineage.relation.multiple_testing import Level
from lineage.relation.permutation_test import RowTest, row_test
from lineage.relation.sketch import sketch
from lineage.relation.tensor_names import canonical

WHOLE = 0.9
"""Share of the testable weights beyond which nothing is left that a disguise could hide."""
BEYOND_CHANCE = 2.0
"""How many times the margin of shuffled weights a candidate's has to be. Strangers whose layers have a dozen neurons
or fewer may reach more."""
MOST_ALIGNED = 20
"""Candidates that are aligned with one child: those that have the most tensors of its shapes, in the order given."""
MOST_WEIGHTS = 2**27
"""Of a child and each candidate that are aligned: all their tensors are held in memory, of those that align too."""


@dataclass(frozen=True, kw_only=True, eq=False)
class AlignedCandidate(Candidate):
    """A candidate after alignment, whose tests describe; its p-value is that of the margin or of held-out tensors.

    checkpoint: of the aligned tensors; alignment: of the candidate; by_rank: log10 of its margin's p-value.
    """

    checkpoint: Checkpoint
    alignment: Alignment
    by_rank: float

    @cached_property
    def log10_p(self) -> float:
        """Of the margin, or of held-out tensors."""
        return log10_p_of(self.alignment, self.by_rank)

    @property
    def null(self) -> str:
        """What its p-value rests on."""
        if self.alignment.log10_p is None:
            return "rank of its margin among those of independent networks"
        return "order of tensors that had no part in the matching"


@dataclass(frozen=True)
class Aligned:
    """The candidates that align with a child, and how many were tried.

    child: in the scale that the candidates had; refused: why the others among those that were tried could not be
    aligned, by id.
    """

    child: Child
    found: Mapping[str, AlignedCandidate]
    tried: int
    refused: Mapping[str, str]

    def instead_of(self, candidates: Sequence[Candidate]) -> list[Candidate]:
        """The candidates, those that align in their aligned form."""
        return [self.found.get(candidate.id, candidate) for candidate in candidates]

    @property
    def undid(self) -> bool:
        """Whether anything was undone to any of them."""
        found = [candidate.alignment for candidate in self.found.values()]
        return any(alignment.undone or alignment.is_turned or alignment.left_out for alignment in found)

    def level(self, alpha: float) -> Level:
        """Of the p-values of those that were tried."""
        return Level.over(self.tried, alpha)


def of_aligned(opened: Opened) -> Opened:
    """Opens candidates, aligned ones as they were aligned."""
    return lambda found: found.checkpoint if isinstance(found, AlignedCandidate) else opened(found)


def is_needed(verdict: Verdict, evidence: Sequence[Evidence]) -> bool:
    """Whether the weights as they are leave open that a candidate is related, or how: too little comes from it."""
    if verdict.word in (Word.NONE, Word.CANNOT_TELL):
        return bool(evidence)
    return any(found.id == verdict.closest and found.coverage < WHOLE for found in evidence)


def aligned_candidates(
    child: Child,
    candidates: Sequence[Candidate],
    opened: Opened,
    decoys: Decoys,
    alpha: float,
    *,
    apart: dict[str, Matching] | None = None,
    tracked: Tracked = untracked,
) -> Aligned | None:
    """The candidates that align with the child better than independent networks do.

    Args:
        child: opened and digested; candidates: tested, at most MOST_ALIGNED.
        opened: opens a candidate; decoys: margins of independent networks; alpha: the false-positive rate.
        apart: those that were tried before and align as independent networks do, by id; it is added to.
        tracked: says how far it is.

    Returns:
        None for a child of more than MOST_WEIGHTS: none is tried.
    """
    if _weights_in(child.checkpoint) > MOST_WEIGHTS:
        return None
    layout = Layout.of(child)
    chance = _Chance(layout)
    near, tried, refused, apart = [], 0, {}, {} if apart is None else apart
    chosen = sorted(candidates, key=lambda candidate: -len(candidate.matching.pairs))[:MOST_ALIGNED]
    for candidate in tracked(chosen, "alignments"):
        if apart.get(candidate.id) == candidate.matching:
            tried += 1
            continue
        try:
            checkpoint = opened(candidate)
            if (weights := _weights_in(checkpoint)) > MOST_WEIGHTS:
                refused[candidate.id] = f"it has {weights:,} weights, at most {MOST_WEIGHTS:,} are aligned"
                continue
            theirs = _theirs(candidate, checkpoint, layout)
            alignment = align(layout.state, theirs, layout.drawn)
        except (UnknownStructureError, UserError) as error:
            refused[candidate.id] = str(error)
            continue
        tried += 1
        by_rank = decoys.log10_p(alignment.margin)
        if by_rank <= decoys.log10_p(np.inf) + 1e-9 and not chance.may_be(alignment, theirs):
            near.append(Near(candidate, checkpoint, alignment, by_rank))
        else:
            apart[candidate.id] = candidate.matching
    limit = Level.over(tried, alpha).limit
    near = [
        found for found in near if max(log10_p_of(found.alignment, found.by_rank), found.by_rank) <= limit
    ]
    scaled, near = in_one_scale(
        layout.state, near, lambda found: _theirs(found.candidate, found.checkpoint, layout)
    )
    natural = child if scaled is None else with_tensors(child, layout.as_in_file(scaled))
    found = [_candidate_of(natural, each, layout.as_in_file(each.alignment.tensors)) for each in near]
    return Aligned(natural, {each.id: each for each in found if each.is_evidence}, tried, refused)


class _Chance:
    """How well a child aligns with what has nothing in common with it, by the shapes of a candidate.

    Decoys are of networks of usual sizes, whose tensors all correspond.
    """

    def __init__(self, layout: Layout):
        self._layout = layout
        self._margins: dict[frozenset[tuple[str, tuple[int, ...]]], float] = {}

    def may_be(self, alignment: Alignment, theirs: State) -> bool:
        """Whether a candidate's shuffled tensors would align about as well; held-out ones say so by themselves."""
        if alignment.log10_p is not None:
            return False
        shapes = frozenset(shapes_of(theirs).items())
        if shapes not in self._margins:
            self._margins[shapes] = margin_by_chance(self._layout.state, theirs, self._layout.drawn)
        return alignment.margin < BEYOND_CHANCE * self._margins[shapes]


def _weights_in(checkpoint: Checkpoint) -> int:
    return sum(math.prod(entry.shape) for entry in checkpoint.entries.values())


def _theirs(candidate: Candidate, checkpoint: Checkpoint, layout: Layout) -> dict[str, np.ndarray]:
    """The candidate's tensors, under the child's names where all have their partner and some are called otherwise.

    Where a graph shows the child's axes, those that have a partner are enough: norms may be part of matrices. Where
    all of the child's names are the candidate's too, a partner may be one by chance, as after a block was left out
    and the others renumbered: then all that the candidate has is there, under its own names.
    """
    ours, matching = layout.state, layout.matching(candidate, checkpoint)
    pairs, transposed = matching.pairs, matching.transposed

    def in_layout(name: str) -> np.ndarray:
        return laid_out(checkpoint.read(pairs[name]), ours[name].shape, transposed=name in transposed)

    own = {canonical(name): name for name in checkpoint.entries}
    if all(canonical(name) in own for name in ours):
        named = {own[canonical(name)]: name for name in ours}
        return {
            name: in_layout(named[name])
            if name in named and pairs.get(named[name]) == name
            else checkpoint.read(name)
            for name in checkpoint.entries
        }
    if not layout.drawn and not set(pairs) >= set(ours):
        return {name: checkpoint.read(name) for name in checkpoint.entries}
    return {
        name: in_layout(name)
        for name in ours
        if name in pairs and math.prod(checkpoint.entries[pairs[name]].shape) == ours[name].size
    }


def _candidate_of(child: Child, near: Near, tensors: Mapping[str, np.ndarray]) -> AlignedCandidate:
    candidate, checkpoint = near.candidate, near.checkpoint
    dtype = Counter(entry.dtype for entry in checkpoint.entries.values()).most_common(1)[0][0]
    shapes = child.digest.shapes
    pairs = {name: name for name in shapes if name in tensors and tensors[name].shape == shapes[name]}
    given = {field.name: getattr(candidate, field.name) for field in fields(Candidate)}
    return AlignedCandidate(
        **given
        | {
            "matching": Matching(
                pairs,
                dict.fromkeys(pairs, MatchedBy.NAME),
                frozenset(),
                only_child=[name for name in shapes if name not in pairs],
                only_candidate=[],
            ),
            "tests": _tests(child, tensors, pairs),
            "unmoved": frozenset(),
            "elsewhere": 0.0,
        },
        checkpoint=replace(checkpoint, entries=entries_of(tensors, dict.fromkeys(pairs, dtype))),
        alignment=near.alignment,
        by_rank=near.by_rank,
    )


def _tests(child: Child, tensors: Mapping[str, np.ndarray], names: Mapping[str, str]) -> dict[str, RowTest]:
    """Of the aligned rows; they describe, and are no evidence."""
    found = {}
    for name, ours in child.digest.sketches.items():
        theirs = sketch(tensors[name]) if name in names else None
        if isinstance(theirs, np.ndarray) and theirs.shape == ours.shape:
            found[name] = row_test(theirs.astype(np.float32), ours.astype(np.float32))
    return found
