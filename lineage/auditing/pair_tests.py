"""The tests of a child against one candidate: of the order of the rows of their matrices."""

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from lineage.checkpoints.checkpoint import Checkpoint
from lineage.checkpoints.files import safe_file
from lineage.checkpoints.plain.form import open_plain_model, open_plain_models
from lineage.checkpoints.several import member_of, parted
from lineage.errors import UserError
from lineage.index.digest import Digest, DigestCache, digest_of, is_of
from lineage.index.summing import sketches_of_columns
from lineage.progress import Tracked, untracked
from lineage.relation.gates import is_recurrent
from lineage.relation.matching import MatchedBy, Matching, exchanged, match
from lineage.relation.permutation_test import RowTest, row_test
from lineage.relation.sketch import OF_EITHER_SIDE, Untestable
from lineage.relation.structure.screen import BY_NAME, SURE, Key, Sketches, grouped, matching_of, screened
from lineage.relation.tensor_names import matrices


class ChildSketches:
    """The child's side of the test, also of matrices whose transpose a candidate has."""

    def __init__(self, child: Checkpoint, digest: Digest):
        self._child, self._digest = child, digest
        self._transposed: dict[str, np.ndarray | None] = {}
        self._reading = threading.Lock()

    def tests(self, matching: Matching, candidate: Digest) -> dict[str, RowTest]:
        """The test of every matrix that both can be tested at, with its partner by name or order.

        Where that shows nothing, with the partner that the weights choose.
        """
        tests = self._of_matched(matching, candidate)
        if tests.keys() >= self._digest.sketches.keys() and all(
            test.log10_p <= SURE for test in tests.values()
        ):
            return tests
        theirs = grouped(candidate.sketches, candidate.shapes)
        better = screened(self._straight, theirs, tests, matching.pairs, transposed=False)
        if self._is_in_doubt(matching, tests | better, candidate):
            better |= screened(self._columns, theirs, tests | better, matching.pairs, transposed=True)
        by_name = {
            name: replace(test, log10_p=min(0.0, test.log10_p + BY_NAME)) for name, test in tests.items()
        }
        return self._beside_chosen(matching, by_name | better, candidate) if better else by_name

    def _of_matched(self, matching: Matching, candidate: Digest) -> dict[str, RowTest]:
        tests = {}
        both = {name: partner for name, partner in matching.pairs.items() if partner in candidate.sketches}
        columns = self._of_columns(name for name in both if name in matching.transposed)
        for name, partner in both.items():
            ours = columns.get(name) if name in matching.transposed else self._digest.sketches.get(name)
            theirs = candidate.sketches[partner]
            if ours is not None and ours.shape == theirs.shape:
                tests[name] = row_test(theirs.astype(np.float32), ours.astype(np.float32))
        return tests

    def _beside_chosen(
        self, matching: Matching, tests: dict[str, RowTest], candidate: Digest
    ) -> dict[str, RowTest]:
        """The tests, those of pairs by order that show nothing with the partner beside one that the weights chose.

        Without a test where that partner has none.
        """
        weak = [
            name
            for name, test in tests.items()
            if test.log10_p > SURE and matching.how.get(name) is MatchedBy.ORDER
        ]
        others = {name: test for name, test in tests.items() if name not in weak}
        found = matching_of(matching, self._digest.shapes, candidate.shapes, others)
        for name in weak:
            if found.how.get(name) is not MatchedBy.NAME or found.pairs[name] == matching.pairs[name]:
                continue
            ours, theirs = self._digest.sketches[name], candidate.sketches.get(found.pairs[name])
            del tests[name]
            if theirs is not None and theirs.shape == ours.shape:
                test = row_test(theirs.astype(np.float32), ours.astype(np.float32))
                tests[name] = replace(
                    test, log10_p=min(0.0, test.log10_p + BY_NAME), partner=found.pairs[name]
                )
        return tests

    def _is_in_doubt(self, matching: Matching, tests: Mapping[str, RowTest], candidate: Digest) -> bool:
        """Whether matrices that no name pairs as they are may be stored the other way round."""
        by_name = {
            name: partner
            for name, partner in matching.pairs.items()
            if matching.how[name] is MatchedBy.NAME and name not in matching.transposed
        }
        is_open = any(
            name not in by_name and (name not in tests or tests[name].log10_p > SURE)
            for name in matrices(self._digest.shapes)
        )
        return is_open and not candidate.sketches.keys() <= set(by_name.values())

    @cached_property
    def _straight(self) -> dict[Key, Sketches]:
        return grouped(self._digest.sketches, self._digest.shapes)

    @cached_property
    def _columns(self) -> dict[Key, Sketches]:
        """The sketches of the columns of every matrix whose columns' order may be free."""
        found = self._of_columns(matrices(self._digest.shapes))
        return grouped(found, {name: exchanged(self._digest.shapes[name]) for name in found})

    def _of_columns(self, names: Iterable[str]) -> dict[str, np.ndarray]:
        """The sketches of matrices' columns, of those whose order may be free; read by one thread at a time."""
        free = [name for name in names if not self._is_tied(name)]
        with self._reading:
            if new := [name for name in free if name not in self._transposed]:
                for name, found in sketches_of_columns(self._child, new).items():
                    self._transposed[name] = None if isinstance(found, Untestable) else found
        return {name: found for name in free if (found := self._transposed[name]) is not None}

    def _is_tied(self, name: str) -> bool:
        """Whether the order of a matrix' columns is not free either, by its part in the network."""
        why = self._digest.untestable.get(name)
        return (why is not None and why.reason in OF_EITHER_SIDE) or is_recurrent(name)


def digests_of(
    given: str,
    cache: DigestCache,
    *,
    inside: Path | None = None,
    follow: bool = False,
    tracked: Tracked = untracked,
) -> list[Digest]:
    """The digests of the models of `FILE` or `FILE::ID`, computed if the cache has none; raises as `open_models`."""
    path, wanted = parted(given)
    file = safe_file(Path(path), inside=inside, follow=follow)
    with cache.turn(file.state):
        digests = cache.get(file.state, wanted)
        if digests is None:
            models = open_plain_models(path, inside=inside, follow=follow)
            hashed: dict[Path, str] = {}
            digests = [digest_of(model, tracked, hashed=hashed) for model in models]
            cache.put(file.state, digests, {str(f.real): f.state for model in models for f in model.files})
    found = [digest for digest in digests if not wanted or member_of(digest.name) == wanted]
    if not found:
        raise UserError(f"{given}: the file holds no model {wanted!r}")
    return found


def digest_of_child(child: Checkpoint, cache: DigestCache, tracked: Tracked = untracked) -> Digest:
    """The digest of one open model; that of its file, if it is a candidate elsewhere and as it was opened there."""
    state = [child.name, *(file.state for file in child.files)]
    if found := cache.get(state):
        return found[0]
    if len(child.files) == 1:
        for digest in cache.get(child.files[0].state, member_of(child.name)) or ():
            if is_of(digest, child):
                return digest
    digest = digest_of(child, tracked)
    cache.put(state, [digest], {str(file.real): file.state for file in child.files})
    return digest


def tests_of(child: str, candidate: str, cache: DigestCache) -> dict[str, RowTest]:
    """The tests of one pair alone; both as `FILE` or `FILE::ID`.

    Raises:
        UserError: if either cannot be read, or is a file of several models.
    """
    opened = open_plain_model(child)
    digest = digest_of_child(opened, cache)
    digests = digests_of(candidate, cache)
    if len(digests) > 1:
        raise UserError(f"{candidate}: holds {len(digests)} models; name one of them, as {digests[0].name}")
    return ChildSketches(opened, digest).tests(match(digest.shapes, digests[0].shapes), digests[0])


def tested_pairs(
    paths: Mapping[str, str],
    pairs: Iterable[tuple[str, str]],
    cache: DigestCache,
    say: Callable[[str], None],
) -> dict[str, dict[str, dict]]:
    """The tests of pairs, by child, candidate and tensor, as JSON takes them.

    A pair that cannot be tested alone is left to the audit of its child, which meets its files again.

    Args:
        paths: of the models, by id.
        pairs: ids of a child and a candidate.
        cache: of digests; say: takes a line on each pair that is left.
    """
    found: dict[str, dict[str, dict]] = {}
    for child, candidate in pairs:
        try:
            tests = tests_of(paths[child], paths[candidate], cache)
        except UserError as error:
            say(f"{child} and {candidate}: left to the audit of {child}: {error}")
        else:
            found.setdefault(child, {})[candidate] = {name: asdict(test) for name, test in tests.items()}
    return found
