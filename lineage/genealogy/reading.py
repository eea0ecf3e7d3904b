"""Reads the models of a folder: each one's digest is computed or found, and a vector of it is held."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np

from lineage.auditing.pair_tests import digests_of
from lineage.auditing.stages.testing import share_unread
from lineage.checkpoints.find import Source, id_of
from lineage.checkpoints.several import MEMBER, member_of, parted
from lineage.errors import UserError
from lineage.index.digest import Digest, DigestCache
from lineage.index.workers import beside_each_other
from lineage.progress import Tracked, untracked
from lineage.seeds import seed_of

DIMENSIONS = 1024
"""Of a model's vector: unrelated ones have cosines of about DIMENSIONS ** -0.5."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Model:
    """A model of a folder.

    source: names this model alone; name: in its file; content: a hash of its tensors' values; shapes: of all, in
    order; marks: a hash of the sketch of each matrix that has one; vector: see `vector_of`; unread: the share of its
    weights that was left out; copies: ids of equal models.
    """

    id: str
    source: Source
    name: str
    content: str
    shapes: dict[str, tuple[int, ...]]
    marks: dict[str, bytes]
    vector: np.ndarray
    unread: float
    copies: Sequence[str] = field(default=())

    @property
    def testable(self) -> list[str]:
        """The matrices that have a sketch."""
        return list(self.marks)


def read_models(
    sources: Sequence[Source], cache: DigestCache, *, follow: bool = False, tracked: Tracked = untracked
) -> tuple[list[Model], dict[str, str]]:
    """The readable models, of equal ones the one whose id sorts lowest, and why other sources were refused.

    Args:
        sources: files of one or more models; cache: of digests.
        follow: links out of the folders; tracked: says how far it is.
    """
    found, refused = read_each(sources, cache, follow=follow, tracked=tracked)
    return without_copies(found), refused


def read_each(
    sources: Sequence[Source], cache: DigestCache, *, follow: bool = False, tracked: Tracked = untracked
) -> tuple[list[Model], dict[str, str]]:
    """The same with equal models apart, in the order of the sources."""
    refused: dict[str, str] = {}

    def of_source(source: Source) -> list[Model]:
        try:
            digests = digests_of(source.path, cache, inside=source.inside, follow=follow, tracked=tracked)
        except UserError as error:
            refused[source.id] = str(error)
            return []
        return [_model(source, digest, is_alone=len(digests) == 1) for digest in digests]

    with beside_each_other() as workers:
        found = [model for models in tracked(workers.map(of_source, sources), "files") for model in models]
    return found, refused


def without_copies(found: Sequence[Model]) -> list[Model]:
    """Models by their ids, of equal ones the first, which names the others."""
    by_content: dict[str, list[Model]] = {}
    for model in sorted(found, key=lambda model: model.id):
        by_content.setdefault(model.content, []).append(model)
    return [replace(first, copies=[model.id for model in copies]) for first, *copies in by_content.values()]


def _model(source: Source, digest: Digest, *, is_alone: bool) -> Model:
    id = id_of(source, digest.name, is_alone=is_alone)
    own = member_of(digest.name)
    path = source.path if is_alone or parted(source.path)[1] else f"{source.path}{MEMBER}{own}"
    return Model(
        id=id,
        source=replace(source, id=id, path=path),
        name=digest.name,
        content=digest.content,
        shapes=digest.shapes,
        marks={name: mark_of(rows) for name, rows in digest.sketches.items()},
        vector=vector_of(digest),
        unread=share_unread(digest),
    )


def mark_of(rows: np.ndarray) -> bytes:
    """A hash of a matrix' sketch."""
    return hashlib.sha256(str(rows.shape).encode() + rows.tobytes()).digest()[:16]


def vector_of(digest: Digest) -> np.ndarray:
    """A model in DIMENSIONS numbers: sums of its sketches under signs drawn from each matrix' shape and place.

    The inner product of two vectors is about the mean cosine of rows in equal places (Charikar, Chen & Farach-Colton
    2002, doi:10.1007/3-540-45465-9_59).

    Returns:
        float32 of norm 1, or 0 without a testable matrix.
    """
    total, seen = np.zeros(DIMENSIONS), {}
    for name, rows in digest.sketches.items():
        shape = digest.shapes[name]
        seen[shape] = seen.get(shape, 0) + 1
        places, signs = _hashing(rows.shape, seed_of(f"{shape} {seen[shape]}"))
        values = rows.astype(np.float32).ravel() * signs
        total += np.bincount(places, values, DIMENSIONS) / np.sqrt(len(rows))
    size = np.linalg.norm(total)
    return (total / size if size else total).astype(np.float32)


@lru_cache(maxsize=128)
def _hashing(shape: tuple[int, int], seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A place among DIMENSIONS, and a sign, for each entry of a sketch."""
    draw = np.random.default_rng(seed)
    count = shape[0] * shape[1]
    return draw.integers(0, DIMENSIONS, count).astype(np.uint16), draw.choice(np.int8([-1, 1]), count)
