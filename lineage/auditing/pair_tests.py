"""The tests of a child against one candidate: of the order of the rows of their matrices."""

from pathlib import Path

import numpy as np

from lineage.checkpoints.checkpoint import Checkpoint
from lineage.checkpoints.files import safe_file
from lineage.checkpoints.find import Source
from lineage.checkpoints.read import MEMBER, open_models
from lineage.index.cache import DigestCache
from lineage.index.digest import Digest, digest_of
from lineage.relation.matching import Matching
from lineage.relation.naming import heads
from lineage.relation.permutation_test import RowTest, row_test
from lineage.relation.sketch import sketch


class ChildSketches:
    """The child's side of the test, also of matrices that a candidate has the other way round."""

    def __init__(self, child: Checkpoint, digest: Digest):
        self._child, self._digest = child, digest
        self._heads = heads(digest.shapes)
        self._turned: dict[str, np.ndarray | None] = {}

    def tests(self, matching: Matching, candidate: Digest) -> dict[str, RowTest]:
        """The test of every matched matrix that both sides can be tested at."""
        tests = {}
        for name, other in matching.pairs.items():
            if other not in candidate.sketches:
                continue
            ours = self._turn(name) if name in matching.transposed else self._digest.sketches.get(name)
            if ours is not None and ours.shape == candidate.sketches[other].shape:
                tests[name] = row_test(candidate.sketches[other].astype(np.float32), ours.astype(np.float32))
        return tests

    def _turn(self, name: str) -> np.ndarray | None:
        if name not in self._turned:
            why = self._digest.untestable.get(name, "")
            is_fixed = name in self._heads or "attention" in why or "table" in why
            self._turned[name] = None if is_fixed else sketch(self._child.read(name).T)[0]
        return self._turned[name]


def digests_of(source: Source, cache: DigestCache, *, follow: bool) -> list[Digest]:
    """The digests of a source's models, made if the cache has none; raises as `open_models`."""
    path, _, wanted = source.path.partition(MEMBER)
    file = safe_file(Path(path), inside=source.inside, follow=follow)
    digests = cache.get(file.state)
    if digests is None:
        models = open_models(path, inside=source.inside, follow=follow)
        digests = [digest_of(model) for model in models]
        cache.put(file.state, digests, {str(f.real): f.state for model in models for f in model.files})
    return [digest for digest in digests if not wanted or digest.name.partition(MEMBER)[2] == wanted]


def digest_of_child(child: Checkpoint, cache: DigestCache) -> Digest:
    """The digest of one open model."""
    state = [child.name, *(file.state for file in child.files)]
    if found := cache.get(state):
        return found[0]
    digest = digest_of(child)
    cache.put(state, [digest], {str(file.real): file.state for file in child.files})
    return digest
