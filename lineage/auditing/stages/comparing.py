"""Compare: the candidates that are not independent of the child, tensor by tensor."""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np

from lineage.auditing.stages.candidates import Candidate, Relative
from lineage.auditing.stages.child import Child
from lineage.auditing.stages.evidence import backbone_of
from lineage.auditing.stages.testing import share_untested
from lineage.checkpoints.checkpoint import Checkpoint
from lineage.checkpoints.find import Source, is_opened_alone, open_source
from lineage.checkpoints.several import model_of, parted
from lineage.progress import Tracked, untracked
from lineage.relation.comparison import Comparison, Pair, compare, evenly, sampled
from lineage.relation.mixture import Mixture, mixture
from lineage.relation.permutation_test import RowTest, row_test, row_test_of
from lineage.relation.scars.grown import grown
from lineage.relation.scars.scar import Later, Scar
from lineage.relation.sketch import Untestable, sketch
from lineage.relation.structure.screen import SURE
from lineage.relation.structure.settle import settled, shapes_of

MOST_RELATIVES, MOST_MIXED = 64, 12
"""Relatives that are compared, and those that a mixture may be of: the most similar ones."""

Opened = Callable[[Candidate], Checkpoint]
"""Opens a candidate's checkpoint."""


class Opener:
    """Opens candidates' checkpoints, each file once, or each model where a file gives one without the others."""

    def __init__(self, *, follow: bool):
        self._follow = follow
        self._models: dict[Source, list[Checkpoint]] = {}

    def __call__(self, candidate: Candidate) -> Checkpoint:
        """The candidate's model."""
        source = candidate.source
        is_apart = source.base or is_opened_alone(source, follow=self._follow)
        opened = source if is_apart else replace(source, path=parted(source.path)[0], id="")
        if opened not in self._models:
            self._models[opened] = open_source(opened, follow=self._follow)
        return model_of(self._models[opened], candidate.model)


def with_resized(child: Child, candidate: Candidate, opened: Opened) -> Candidate:
    """The candidate, and where it may share a fixed part alone, with what both have of resized matrices as tested.

    The rows of a matrix that has more of them in one of the two, as an embedding, cannot be paired before both files
    are open, so it is no part of the tests. Where it is most of the weights, these alone may be of a fixed part.

    Args:
        child: opened and digested; candidate: tested; opened: opens it.
    """
    if not (candidate.is_evidence and candidate.may_share_a_fixed_part):
        return candidate
    checkpoint = opened(candidate)
    matching = settled(child.checkpoint, checkpoint, candidate.matching)
    pair = Pair(child.checkpoint, checkpoint, matching)
    testable = matching.resized & child.digest.sketches.keys()
    in_part = {name: _share_in_common(pair, name) for name in testable}
    untested = share_untested(child.digest, in_part | dict.fromkeys(candidate.tests, 1.0))
    return replace(candidate, elsewhere=min(untested, candidate.elsewhere))


def _share_in_common(pair: Pair, name: str) -> float:
    """The share of one of the child's matrices that the candidate has as well, if the order of its rows says so."""
    theirs, ours = pair(name)
    test = row_test_of(theirs, ours)
    return ours.size / math.prod(pair.child.entries[name].shape) if test and test.log10_p <= SURE else 0.0


def compare_relatives(
    child: Child,
    candidates: Sequence[Candidate],
    limit: float,
    opened: Opened,
    *,
    compared: dict[str, Relative] | None = None,
    tracked: Tracked = untracked,
) -> list[Relative]:
    """The candidates that are not independent of the child, most similar first, compared with it.

    Args:
        child: opened and digested; candidates: tested.
        limit: log10 p at most this is dependence.
        opened: opens a candidate; tracked: says how far it is.
        compared: those that the child was compared with before, by id; it is added to.
    """
    dependent = [candidate for candidate in candidates if candidate.log10_p <= limit]
    dependent.sort(key=lambda candidate: -candidate.similarity)
    relatives, compared = [], {} if compared is None else compared
    for candidate in tracked(dependent[:MOST_RELATIVES], "relatives"):
        before = compared.get(candidate.id)
        if before and before.candidate.tests is candidate.tests:
            relatives.append(
                replace(before, candidate=replace(candidate, matching=before.candidate.matching))
            )
        else:
            compared[candidate.id] = relative = _compared(child, candidate, opened(candidate))
            relatives.append(relative)
    return relatives


def _compared(child: Child, candidate: Candidate, checkpoint: Checkpoint) -> Relative:
    matching = settled(child.checkpoint, checkpoint, candidate.matching)
    pair = Pair(child.checkpoint, checkpoint, matching)
    set_aside = child.heads | _displaced(candidate)
    backbone = [name for name in child.matrices if name in matching.pairs and name not in set_aside]
    comparison = compare(pair, backbone)
    comparison = replace(comparison, scars=[*comparison.scars, *_grown(child, pair, comparison, candidate)])
    return Relative(
        replace(candidate, matching=matching),
        pair,
        comparison,
        checkpoint.counts,
        _described(child, pair, candidate.tests),
    )


def _displaced(candidate: Candidate) -> set[str]:
    """The child's matrices whose partner by name or order belongs to another one, as its weights show."""
    taken = {test.partner for test in candidate.tests.values() if test.partner}
    return {
        name
        for name, test in candidate.tests.items()
        if test.log10_p > SURE and candidate.matching.pairs[name] in taken
    }


def _grown(child: Child, pair: Pair, comparison: Comparison, candidate: Candidate) -> list[Scar]:
    """The scars of what one of the two has more of."""
    matching, theirs = pair.matching, shapes_of(pair.candidate)
    belonging = [name for name, test in candidate.tests.items() if test.log10_p <= SURE]
    backbone = backbone_of(child.digest.shapes)
    copies = set()
    if comparison.unchanged >= backbone & matching.pairs.keys():
        if not backbone_of(theirs) & set(matching.only_candidate):
            copies.add(Later.CHILD)
        if not backbone & set(matching.only_child):
            copies.add(Later.CANDIDATE)
    return grown(matching, child.digest.shapes, theirs, tested=belonging, copies=copies)


def _described(child: Child, pair: Pair, tests: Mapping[str, RowTest]) -> dict[str, RowTest]:
    """The tests of matrices that were paired once both files were open."""
    found = {}
    for name, ours in child.digest.sketches.items():
        if name in pair.matching.pairs and name not in tests and name not in pair.matching.resized:
            theirs = sketch(pair(name)[0])
            if not isinstance(theirs, Untestable) and theirs.shape == ours.shape:
                found[name] = row_test(theirs.astype(np.float32), ours.astype(np.float32))
    return found


def mixture_of(child: Child, relatives: Sequence[Relative], later: Collection[str]) -> Mixture | None:
    """The child as a mixture of its most similar relatives; None of fewer than two, or without a common matrix.

    Args:
        child: opened and digested; relatives: most similar first.
        later: ids of those that look like the child's descendants, or may be; they enter an exact mixture alone.
    """
    others = [relative for relative in relatives if relative.id not in later][:MOST_MIXED]
    mixed = [*others, *(relative for relative in relatives[:MOST_MIXED] if relative.id in later)]
    shared = [name for name in child.digest.shapes if all(name in relative.tests for relative in mixed)]
    if len(mixed) < 2 or not shared:
        return None
    count = len(mixed)
    gram, products, energy = np.zeros((count, count)), np.zeros(count), 0.0
    for name in evenly(shared):
        ours = sampled(child.checkpoint.read(name)).ravel().astype(np.float64)
        theirs = np.stack([sampled(relative.pair(name)[0]).ravel() for relative in mixed]).astype(np.float64)
        gram += theirs @ theirs.T
        products += theirs @ ours
        energy += float(ours @ ours)
    names, few = [relative.id for relative in mixed], len(others)
    found = mixture(names, gram, products, energy)
    if found.is_exact or few == count:
        return found
    return mixture(names[:few], gram[:few, :few], products[:few], energy) if few >= 2 else None
