"""What a suspect answers: labels, the best few, probabilities or embeddings; of CSV, NPZ, or a Python function.

n queries, C classes, d dimensions, k ranks.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np

from lineage.asking.files import load_arrays
from lineage.checkpoints.files import LIMITS
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


ARRAYS = {
    "labels": Kind.LABELS,
    "top": Kind.TOP,
    "probabilities": Kind.PROBABILITIES,
    "embeddings": Kind.EMBEDDINGS,
}
"""What an `.npz` calls them."""
QUERY = "query"
"""The column of a CSV that names the query."""


def read_answers(path: Path, count: int, class_names: Sequence[str], *, own_labels: bool = False) -> Answers:
    """The answers in a file.

    A CSV has a column `query`, a picture's name or number, and either `label`, or `top1`, `top2`, ..., or a column of
    probabilities a class, headed by its name or number; by other words it is a class that the candidates lack. Labels
    are numbers from 0, or names. An `.npz` has one array of `labels`, `top`, `probabilities` or `embeddings`, a row a
    query.

    Args:
        count: how many queries there are.
        class_names: what the candidates' classes are called.
        own_labels: whether the suspect's labels are others than the candidates', whatever they are called.

    Raises:
        UserError: for a file that is neither, an unknown query, or values that are no answers.
    """
    if path.suffix.lower() == ".csv":
        rows, columns = _read_csv(path, count)
        kind, values, foreign = _of_columns(path, columns, class_names)
        return answers_of(
            kind, values, rows, len(class_names), own_labels=own_labels or foreign, where=str(path)
        )
    arrays = load_arrays(path)
    found = [name for name in ARRAYS if name in arrays]
    if len(found) != 1:
        raise UserError(
            f"{path}: expected one of the arrays {', '.join(ARRAYS)}, found {', '.join(arrays) or 'none'}"
        )
    values = arrays[found[0]]
    if len(values) != count:
        raise UserError(f"{path}: array {found[0]!r}: expected {count} rows, one a query, got {len(values)}")
    kind = ARRAYS[found[0]]
    return answers_of(
        kind, values, np.arange(count), len(class_names), own_labels=own_labels, where=str(path)
    )


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


def _read_csv(path: Path, count: int) -> tuple[np.ndarray, dict[str, list[str]]]:
    """The queries' numbers, and the other columns, without rows that hold no answer."""
    try:
        if path.stat().st_size > LIMITS.header_bytes:
            raise UserError(f"{path}: more than {LIMITS.header_bytes:,} bytes; a row a query is enough")
        with path.open(newline="", encoding="utf-8-sig") as stream:
            rows = list(csv.DictReader(stream, strict=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path}: expected a CSV of answers, but it cannot be read: {error}") from None
    if not rows and path.stat().st_size:
        raise UserError(
            f"{path}: expected a row for each query that was answered, found none below the heading"
        )
    if not rows or QUERY not in rows[0] or len(rows[0]) < 2:
        raise UserError(f"{path}: expected the columns {QUERY} and label, top1, top2, ..., or one a class")
    numbers, columns = [], {name: [] for name in rows[0] if name not in (QUERY, None)}
    for line, row in enumerate(rows, start=2):
        if None in row or None in row.values():
            raise UserError(f"{path}, line {line}: expected {len(columns) + 1} values, a column each")
        name = Path(row[QUERY].strip()).stem
        if not name.isdecimal() or int(name) >= count:
            raise UserError(
                f"{path}, line {line}: expected a query's picture or its number, below {count}, got {row[QUERY]!r}"
            )
        blank = [column for column in columns if row[column].strip() == ""]
        if len(blank) == len(columns):
            continue
        if blank:
            raise UserError(
                f"{path}, line {line}: expected a value in each column, or in none; {blank[0]!r} is empty"
            )
        numbers.append(int(name))
        for column, values in columns.items():
            values.append(row[column].strip())
    if len(set(numbers)) < len(numbers):
        raise UserError(f"{path}: expected each query once; a query stands there more often")
    return np.array(numbers, dtype=np.int64), columns


def _of_columns(
    path: Path, columns: dict[str, list[str]], class_names: Sequence[str]
) -> tuple[Kind, np.ndarray, bool]:
    """The kind of a CSV's columns, their values, and whether they name classes that the candidates lack."""
    if list(columns) == ["label"]:
        values, foreign = _classes(columns["label"], class_names)
        return Kind.LABELS, values, foreign
    ranks = [f"top{rank}" for rank in range(1, len(columns) + 1)]
    if list(columns) == ranks:
        flat = [value for name in ranks for value in columns[name]]
        values, foreign = _classes(flat, class_names)
        return Kind.TOP, values.reshape(len(ranks), -1).T, foreign
    try:
        values = np.array([[float(value) for value in column] for column in columns.values()]).T
    except ValueError as error:
        raise UserError(f"{path}: expected a column of probabilities a class: {error}") from None
    names = list(columns)
    numbers = [str(number) for number in range(len(class_names))]
    for known in (list(class_names), numbers):
        if set(names) == set(known):
            return Kind.PROBABILITIES, values[:, [names.index(name) for name in known]], False
    return Kind.PROBABILITIES, values, True


def _classes(given: list[str], class_names: Sequence[str]) -> tuple[np.ndarray, bool]:
    """Labels as numbers: of the candidates' names, or as they are, or of names of the suspect's own."""
    if set(given) <= set(class_names):
        place = {name: number for number, name in enumerate(class_names)}
        return np.array([place[name] for name in given]), False
    if all(value.removeprefix("-").isdecimal() for value in given):
        return np.array([int(value) for value in given]), False
    own = {name: number for number, name in enumerate(dict.fromkeys(given))}
    return np.array([own[name] for name in given]), True
