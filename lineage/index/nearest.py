"""The models of an index that are most like one, by their vectors.

faiss compares the bytes as they are, with every model: that is exact, needs no graph beside the files of the index,
and is a matter of a fraction of a second for some hundred thousand models.
"""

from dataclasses import dataclass

import numpy as np

from lineage.index.store import Stored
from lineage.index.vectors import LENGTH, Vectors


@dataclass(frozen=True)
class Near:
    """A model of an index: its place among the stored ones, and the larger cosine of its vectors with the child's."""

    place: int
    cosine: float


def nearest(child: Vectors, stored: Stored, count: int) -> list[Near]:
    """The models most like one, the most similar first."""
    places: set[int] = set()
    for query, vectors in ((child.own, stored.own), (child.given, stored.given)):
        if query.any():
            places |= set(_most_similar(query, vectors, count))
    found = [
        Near(
            place,
            max(_cosine(child.own, stored.own[place]), _cosine(child.given, stored.given[place])),
        )
        for place in places
    ]
    return sorted(found, key=lambda near: (-near.cosine, near.place))[:count]


def _most_similar(query: np.ndarray, vectors: np.ndarray, count: int) -> list[int]:
    """Places of the vectors with the largest inner product: all are about equally long."""
    import faiss

    index = faiss.IndexScalarQuantizer(
        LENGTH, faiss.ScalarQuantizer.QT_8bit_direct_signed, faiss.METRIC_INNER_PRODUCT
    )
    faiss.copy_array_to_vector((vectors.reshape(-1).view(np.uint8) ^ 128), index.codes)
    index.ntotal = len(vectors)
    _, places = index.search(query[None].astype(np.float32), min(count, len(vectors)))
    return [int(place) for place in places[0] if place >= 0]


def _cosine(ours: np.ndarray, theirs: np.ndarray) -> float:
    ours, theirs = ours.astype(np.float64), theirs.astype(np.float64)
    size = np.linalg.norm(ours) * np.linalg.norm(theirs)
    return float(ours @ theirs / size) if size else 0.0
