"""The models of an index that are most like one, by their vectors.

faiss compares the bytes as they are, with every model: that is exact, needs no graph beside the files of the index,
and is a matter of a fraction of a second for some hundred thousand models.
"""

from dataclasses import dataclass

import numpy as np

from lineage.index.store import Stored
from lineage.index.vectors import Vectors
from lineage.storage.index_schemas import LENGTH


@dataclass(frozen=True)
class Near:
    """A model of an index: its place among the stored ones, and the larger cosine of its vectors with the child's."""

    place: int
    cosine: float


class Searcher:
    """Searches the models of an index.

    Args:
        stored: its models.
    """

    def __init__(self, stored: Stored):
        self._vectors = stored.own, stored.given
        self._indices = [_index(vectors) for vectors in self._vectors]

    def nearest(self, child: Vectors, count: int) -> list[Near]:
        """The models most like one, the most similar first."""
        queries = child.own, child.given
        places: set[int] = set()
        for query, index in zip(queries, self._indices, strict=True):
            if query.any() and index.ntotal:
                _, found = index.search(query[None].astype(np.float32), min(count, index.ntotal))
                places |= {int(place) for place in found[0]}
        cosines = {
            place: max(
                _cosine(query, vectors[place]) for query, vectors in zip(queries, self._vectors, strict=True)
            )
            for place in places
        }
        ordered = sorted(cosines, key=lambda place: (-cosines[place], place))
        return [Near(place, cosines[place]) for place in ordered[:count]]


def _index(vectors: np.ndarray):
    """The vectors in faiss, which holds bytes shifted by 128; all are about equally long."""
    import faiss

    index = faiss.IndexScalarQuantizer(
        LENGTH, faiss.ScalarQuantizer.QT_8bit_direct_signed, faiss.METRIC_INNER_PRODUCT
    )
    faiss.copy_array_to_vector(vectors.reshape(-1).view(np.uint8) ^ 128, index.codes)
    index.ntotal = len(vectors)
    return index


def _cosine(ours: np.ndarray, theirs: np.ndarray) -> float:
    ours, theirs = ours.astype(np.float64), theirs.astype(np.float64)
    size = np.linalg.norm(ours) * np.linalg.norm(theirs)
    return float(ours @ theirs / size) if size else 0.0
