"""Align: where nothing is found as the weights are, candidates in the order, scale and rotation of the child.

A candidate counts as dependent if it aligns better than independent networks do (`Decoys`), and, where tensors were
held out of the matching, if the exact test of their order says so too.
"""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property

import numpy as np

from lineage.auditing.decoys import Decoys
from lineage.auditing.stages.candidates import Candidate, Level
from lineage.auditing.stages.child import Child
from lineage.auditing.stages.comparing import Opened
from lineage.auditing.stages.verdict import Evidence, Verdict, Word
from lineage.checkpoints.checkpoint import Checkpoint, Entry
from lineage.errors import UserError
from lineage.progress import Tracked, untracked
from lineage.relation.alignment.align import Alignment, Undone, align
from lineage.relation.alignment.axes import UnknownStructureError
from lineage.relation.matching import MatchedBy, Matching, laid_out
from lineage.relation.permutation_test import RowTest, row_test
from lineage.relation.relations import Relation
from lineage.relation.sketch import sketch

WHOLE = 0.9
"""Share of the testable weights beyond which nothing is left that a disguise could hide."""
MOST_ALIGNED = 20
"""Candidates that are aligned with one child: those that have the most tensors of its shapes, in the order given."""
MOST_WEIGHTS = 2**27
"""Of a child and each candidate that are aligned: all their tensors are held in memory, of those that align too."""
NEITHER = (
    "no candidate is more alike than a random order of its neurons would be, and none of the {tried} that were \
aligned is closer than independent networks are"
)
UNITS = {"neurons": "neurons", "stream": "residual stream", "queries": "queries and keys", "values": "values"}
"""What groups of transformers are called; others hold neurons or channels."""


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
        """Of the order of tensors that had no part in the matching; without two of these, of the margin's rank."""
        held_out = self.alignment.log10_p
        return self.by_rank if held_out is None else held_out

    @property
    def null(self) -> str:
        """What its p-value rests on."""
        if self.alignment.log10_p is None:
            return "rank of its margin among those of independent networks"
        return "order of tensors that had no part in the matching"


@dataclass(frozen=True)
class Aligned:
    """The candidates that align with a child, and how many were tried.

    refused: why the others among those that were tried could not be aligned, by id.
    """

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
        return Level(alpha, max(1, self.tried))


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
    tracked: Tracked = untracked,
) -> Aligned | None:
    """The candidates that align with the child better than independent networks do.

    Args:
        child: opened and digested; candidates: tested, at most MOST_ALIGNED.
        opened: opens a candidate; decoys: margins of independent networks; alpha: the false-positive rate.
        tracked: says how far it is.

    Returns:
        None for a child of more than MOST_WEIGHTS: none is tried.
    """
    if _weights_in(child.checkpoint) > MOST_WEIGHTS:
        return None
    ours = {name: child.checkpoint.read(name) for name in child.checkpoint.entries}
    tried, refused = {}, {}
    chosen = sorted(candidates, key=lambda candidate: -len(candidate.matching.pairs))[:MOST_ALIGNED]
    for candidate in tracked(chosen, "alignments"):
        try:
            checkpoint = opened(candidate)
            if (weights := _weights_in(checkpoint)) > MOST_WEIGHTS:
                refused[candidate.id] = f"it has {weights:,} weights, at most {MOST_WEIGHTS:,} are aligned"
                continue
            alignment = align(ours, _theirs(candidate, checkpoint, ours))
        except (UnknownStructureError, UserError) as error:
            refused[candidate.id] = str(error)
            continue
        by_rank = decoys.log10_p(alignment.margin)
        is_near = by_rank <= decoys.log10_p(np.inf) + 1e-9
        tried[candidate.id] = (
            _candidate_of(child, candidate, checkpoint, alignment, by_rank) if is_near else None
        )
    limit = Level(alpha, max(1, len(tried))).limit
    found = {
        id: each
        for id, each in tried.items()
        if each and each.is_evidence and max(each.log10_p, each.by_rank) <= limit
    }
    return Aligned(found, len(tried), refused)


def _weights_in(checkpoint: Checkpoint) -> int:
    return sum(math.prod(entry.shape) for entry in checkpoint.entries.values())


def _theirs(
    candidate: Candidate, checkpoint: Checkpoint, ours: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """The candidate's tensors, under the child's names where all have their partner."""
    pairs, transposed = candidate.matching.pairs, candidate.matching.transposed
    if set(pairs) >= set(ours):
        return {
            name: laid_out(checkpoint.read(pairs[name]), ours[name].shape, transposed=name in transposed)
            for name in ours
            if math.prod(checkpoint.entries[pairs[name]].shape) == ours[name].size
        }
    return {name: checkpoint.read(name) for name in checkpoint.entries}


def _candidate_of(
    child: Child, candidate: Candidate, checkpoint: Checkpoint, alignment: Alignment, by_rank: float
) -> AlignedCandidate:
    dtype = Counter(entry.dtype for entry in checkpoint.entries.values()).most_common(1)[0][0]
    shapes = child.digest.shapes
    pairs = {
        name: name
        for name in shapes
        if name in alignment.tensors and alignment.tensors[name].shape == shapes[name]
    }
    entries = {name: Entry(shapes[name], dtype, _reader(alignment, name)) for name in pairs}
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
            "tests": _tests(child, alignment, pairs),
            "unmoved": frozenset(),
            "elsewhere": 0.0,
        },
        checkpoint=replace(checkpoint, entries=entries),
        alignment=alignment,
        by_rank=by_rank,
    )


def _reader(alignment: Alignment, name: str):
    return lambda: alignment.tensors[name]


def _tests(child: Child, alignment: Alignment, names: Mapping[str, str]) -> dict[str, RowTest]:
    """Of the aligned rows; they describe, and are no evidence."""
    found = {}
    for name, ours in child.digest.sketches.items():
        theirs = sketch(alignment.tensors[name]) if name in names else None
        if isinstance(theirs, np.ndarray) and theirs.shape == ours.shape:
            found[name] = row_test(theirs.astype(np.float32), ours.astype(np.float32))
    return found


def explained(verdict: Verdict, aligned: Aligned) -> Verdict:
    """The verdict with a reason that says what was undone, or that nothing could be."""
    if verdict.word is Word.NONE and aligned.tried:
        return replace(verdict, reason=NEITHER.format(tried=aligned.tried))
    closest = aligned.found.get(verdict.closest or "")
    if closest is None:
        return verdict
    if verdict.word is Word.PARENT and _has_other_sizes(closest.alignment):
        verdict = replace(
            verdict,
            word=Word.FAMILY,
            relation=Relation.UNDETERMINED,
            parent=None,
            parents={},
            bound=None,
            probability=None,
            helps=["give candidates that have the child's scale and its number of neurons"],
            reason="how much each lost of the other cannot be told of neurons that were rescaled or removed",
        )
    return replace(
        verdict,
        decided_by=f"{closest.null}, after alignment; {verdict.decided_by.removeprefix('order of neurons, ')}",
        reason=f"with {' and '.join(undone_in_words(closest.alignment)) or 'nothing'} undone, {verdict.reason}",
    )


def _has_other_sizes(alignment: Alignment) -> bool:
    """Whether units were rescaled or removed: then what is left of their sizes says little of who came earlier."""
    return any({Undone.RESCALED, Undone.THINNED} & set(done) for done in alignment.undone.values())


def undone_in_words(alignment: Alignment) -> list[str]:
    """What had to be undone, as `neurons of 3 layers reordered and rescaled`."""
    return list(_undone(alignment))


def _undone(alignment: Alignment) -> Iterator[str]:
    counts: Counter[tuple[str, tuple[Undone, ...]]] = Counter()
    for id, done in alignment.undone.items():
        counts[_units(id), tuple(done)] += 1
    for (units, done), count in counts.items():
        said = " and ".join(done)
        if units in ("residual stream", "norms' factors"):
            yield f"the {units} {said}"
        else:
            yield f"{units} of {count} layer{'s' if count > 1 else ''} {said}"
    if alignment.is_turned:
        yield "the residual stream rotated"
    if alignment.left_out:
        yield f"{alignment.left_out} block{'s' if alignment.left_out > 1 else ''} left out"


def _units(id: str) -> str:
    if id == "norms":
        return "norms' factors"
    return UNITS.get(id.rpartition(".")[2], "neurons")
