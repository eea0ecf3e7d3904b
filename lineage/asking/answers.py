"""What a suspect answers: labels, the best few, probabilities or embeddings; of a table, NPZ, or a Python function.

n queries, C classes, d dimensions, k ranks.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from lineage.errors import UserError


class Kind(StrEnum):
    """What a suspect gives."""

    LABELS = "labels"
    TOP = "top-k"
    PROBABILITIES = "probabilities"
    EMBEDDINGS = "embeddings"


@dataclass(frozen=True, kw_only=True)
class Answers:
    """A suspect's answers to some of the queries.

    kind: of the values: labels int64 [n], the best classes int64 [n, k], probabilities [n, C] or embeddings [n, d];
    rows: which queries they belong to [n]; own_labels: whether its classes are others than the candidates'.
    """

    kind: Kind
    values: np.ndarray
    rows: np.ndarray
    own_labels: bool

    @property
    def labels(self) -> np.ndarray:
        """The first label of each query [n]; of embeddings there is none."""
        if self.kind == Kind.PROBABILITIES:
            return self.values.argmax(1)
        return self.values[:, 0] if self.kind == Kind.TOP else self.values


def answers_of(
    kind: Kind, values: np.ndarray, rows: np.ndarray, classes: int, *, own_labels: bool, where: str
) -> Answers:
    """Answers that were checked; labels that the candidates lack, and rows of other lengths, are the suspect's own.

    Raises:
        UserError: for values that are no labels, no probabilities, or not finite.
    """
    values = np.asarray(values)
    axes = 1 if kind == Kind.LABELS else 2
    if values.ndim != axes or len(values) != len(rows) or not len(values):
        raise UserError(
            f"{where}: expected {kind} with {axes} axes, a row a query, got the shape {values.shape}"
        )
    if values.dtype.kind not in "iuf" or not np.isfinite(values).all():
        raise UserError(f"{where}: expected {kind} as finite numbers, got {values.dtype}; correct them")
    if kind in (Kind.LABELS, Kind.TOP):
        if (values < 0).any() or (values != np.floor(values)).any():
            raise UserError(f"{where}: expected {kind} as whole numbers from 0; correct them")
        values = values.astype(np.int64)
        own_labels = own_labels or int(values.max()) >= classes
    elif kind == Kind.PROBABILITIES:
        values = values.astype(np.float64)
        if (values < 0).any() or (values.sum(1) > 1 + 1e-2).any():
            raise UserError(
                f"{where}: expected probabilities, not negative and of sum 1 at most; correct them"
            )
        own_labels = own_labels or values.shape[1] != classes
    else:
        values, own_labels = values.astype(np.float64), True
    return Answers(kind=kind, values=values, rows=rows, own_labels=own_labels)


def of_function(returned: object, count: int, classes: int, *, own_labels: bool) -> Answers:
    """What a Python function returned for all queries: labels [n], or probabilities [n, C].

    Raises:
        UserError: for anything else.
    """
    values = np.asarray(returned)
    if values.ndim not in (1, 2) or len(values) != count:
        raise UserError(
            f"the suspect: expected labels [{count}] or probabilities [{count}, classes], got {values.shape}"
        )
    kind = Kind.LABELS if values.ndim == 1 else Kind.PROBABILITIES
    return answers_of(kind, values, np.arange(count), classes, own_labels=own_labels, where="the suspect")
