"""Test: every candidate's digest against the child's, one at a time; a digest is released once it is tested."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lineage.auditing.pair_tests import ChildSketches, digest_of_child, digests_of
from lineage.auditing.stages.candidates import ELSEWHERE, Candidate
from lineage.auditing.stages.child import Child
from lineage.checkpoints.adapters.parts import parts_of
from lineage.checkpoints.files import NoWeights
from lineage.checkpoints.find import Source, id_of, open_source
from lineage.checkpoints.several import member_of, parted
from lineage.errors import UserError
from lineage.index.digest import Digest, DigestCache
from lineage.index.workers import beside_each_other
from lineage.progress import Tracked, untracked
from lineage.relation.comparison import ROUNDING
from lineage.relation.matching import Matching, match
from lineage.relation.permutation_test import RowTest
from lineage.relation.structure.screen import SURE, matching_of
from lineage.relation.tensor_names import heads, matrices, natural

Known = Mapping[str, Mapping[str, RowTest]]
"""Tests of earlier jobs, by candidate and tensor."""

EQUAL = 1e-4
"""Rows that differ by less, relative to their size, are equal, where dtypes do not explain more."""
MARGIN = 2.0
"""Rounding weighs more once the rows are centred."""


@dataclass(frozen=True)
class Tested:
    """The candidates that could be read, and of each source that could not, why; empty: those without weights."""

    candidates: list[Candidate]
    refused: dict[str, str]
    empty: frozenset[str] = frozenset()


def run_tests(
    child: Child,
    sources: Sequence[Source],
    cache: DigestCache,
    *,
    follow: bool = False,
    known: Known | None = None,
    tracked: Tracked = untracked,
) -> Tested:
    """Tests every readable model of the sources but the child itself.

    Args:
        child: opened and digested.
        sources: files of one or more models.
        cache: of digests; follow: links out of the folders; tracked: says how far it is.
        known: tests that need not be repeated.
    """
    sketches, refused, empty = ChildSketches(child.checkpoint, child.digest), {}, set()

    def of_source(source: Source) -> list[Candidate]:
        try:
            digests = (
                [digest_of_child(open_source(source, follow=follow)[0], cache, tracked)]
                if source.base
                else digests_of(source.path, cache, inside=source.inside, follow=follow, tracked=tracked)
            )
            return [
                candidate_of(
                    child,
                    sketches,
                    source,
                    digest,
                    is_alone=len(digests) == 1,
                    tests=None if source.base else (known or {}).get(source.id),
                )
                for digest in digests
                if not is_child(child, source, digest)
            ]
        except UserError as error:
            refused[source.id] = str(error)
            if isinstance(error, NoWeights):
                empty.add(source.id)
            return []

    with beside_each_other() as workers:
        found = tracked(workers.map(of_source, sources), "candidate files")
        candidates = [candidate for models in found for candidate in models]
    return Tested(candidates, refused, frozenset(empty))


def is_child(child: Child, source: Source, digest: Digest) -> bool:
    """Whether a model of a source is the child itself: the same model of the same file."""
    file = Path(parted(source.path)[0]).resolve()
    return file == child.checkpoint.files[0].real and member_of(digest.name) == member_of(
        child.checkpoint.name
    )


def candidate_of(
    child: Child,
    sketches: ChildSketches,
    source: Source,
    digest: Digest,
    *,
    is_alone: bool,
    tests: Mapping[str, RowTest] | None = None,
) -> Candidate:
    """A candidate with the tests of its matched matrices; `is_alone`: its file holds no other model.

    An adapter has no tensor in common with a whole model, whatever their shapes.
    """
    is_alike = bool(parts_of(child.digest.shapes)) == bool(parts_of(digest.shapes))
    matching = match(child.digest.shapes, digest.shapes if is_alike else {})
    if tests is None or not is_alike:
        tests = sketches.tests(matching, digest)
    matching = matching_of(matching, child.digest.shapes, digest.shapes, tests)
    return Candidate(
        id=id_of(source, digest.name, is_alone=is_alone),
        source=source,
        model=digest.name,
        format=digest.format,
        shapes=digest.shapes,
        hashes=digest.hashes,
        copy_key=digest.content,
        matching=matching,
        tests=tests,
        notes=digest.notes,
        is_whole=share_unread(digest) < ELSEWHERE,
        unmoved=frozenset(name for name in tests if _is_unmoved(name, tests, matching, child.digest, digest)),
        elsewhere=min(
            share_untested(child.digest, dict.fromkeys(tests, 1)),
            share_untested(digest, {matching.pairs[name]: 1 for name in tests}),
        ),
        apart=share_untested(
            digest, {matching.pairs[name]: 1 for name, test in tests.items() if test.log10_p <= SURE}
        ),
    )


def _is_unmoved(
    name: str, tests: Mapping[str, RowTest], matching: Matching, child: Digest, candidate: Digest
) -> bool:
    """Whether a matrix is the same in both, but for the rounding of how they are stored."""
    dtypes = child.dtypes[name], candidate.dtypes[matching.pairs[name]]
    return tests[name].change <= max(MARGIN * ROUNDING.get(dtype.lower(), EQUAL / MARGIN) for dtype in dtypes)


def share_unread(digest: Digest) -> float:
    """The share of a network's weights that were left out, at most: of its matrices, but for a head."""
    unread = {name: found for name, found in digest.left_out.items() if found.is_weights}
    shapes = digest.shapes | {name: found.shape for name, found in unread.items()}
    of_heads = heads({name: shapes[name] for name in sorted(shapes, key=natural)})
    left_out = sum(found.numbers for name, found in unread.items() if name not in of_heads)
    read = sum(math.prod(digest.shapes[name]) for name in matrices(digest.shapes) if name not in of_heads)
    return left_out / (left_out + read) if left_out else 0.0


def share_untested(digest: Digest, tested: Mapping[str, float]) -> float:
    """The share of the testable weights of a network that were not tested.

    Args:
        digest: of the network; tested: of matrices, which share of each.
    """
    sizes = {name: math.prod(digest.shapes[name]) for name in digest.sketches.keys() | tested.keys()}
    untested = sum(size * (1 - tested.get(name, 0)) for name, size in sizes.items())
    return untested / sum(sizes.values()) if sizes else 0.0
