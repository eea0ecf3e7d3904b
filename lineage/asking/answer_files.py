"""A suspect's answers in a file: a table of text, as a person, a script or a spreadsheet writes it, or an `.npz`.

n queries, C classes, k ranks.
"""

import codecs
import csv
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lineage.asking.answers import Answers, Kind, answers_of
from lineage.asking.files import load_arrays
from lineage.checkpoints.files import LIMITS
from lineage.errors import UserError

ARRAYS = {
    "labels": Kind.LABELS,
    "top": Kind.TOP,
    "probabilities": Kind.PROBABILITIES,
    "embeddings": Kind.EMBEDDINGS,
}
"""What an `.npz` calls them."""
QUERY, LABEL, RANK = "query", "label", "top"
"""The column of a table that names the query, that of labels, and how those of ranks begin."""
COLUMNS = f"{QUERY} and {LABEL}, {RANK}1, {RANK}2, ..., or one a class"
SEPARATORS = ",;\t"


def read_answers(path: Path, count: int, class_names: Sequence[str], *, own_labels: bool = False) -> Answers:
    """The answers in a file.

    A table has a heading and a row a query, separated by commas, semicolons or tabs. Its column `query` holds a
    picture's name or number; beside it stand `label`, or `top1`, `top2`, ..., or a column of probabilities a class,
    headed by its name or number; by other words it is a class that the candidates lack. Labels are numbers from 0, or
    names; numbers may have a decimal comma. An `.npz` has one array of `labels`, `top`, `probabilities` or
    `embeddings`, a row a query.

    Args:
        count: how many queries there are.
        class_names: what the candidates' classes are called.
        own_labels: whether the suspect's labels are others than the candidates', whatever they are called.

    Raises:
        UserError: for a file that is neither, an unknown query, or values that are no answers.
    """
    classes, options = len(class_names), {"own_labels": own_labels, "where": str(path)}
    if path.suffix.lower() != ".npz":
        rows, columns = _read_table(path, count)
        kind, values, foreign = _of_columns(path, columns, class_names)
        return answers_of(kind, values, rows, classes, **options | {"own_labels": own_labels or foreign})
    arrays = load_arrays(path)
    found = [name for name in ARRAYS if name in arrays]
    if len(found) != 1:
        raise UserError(
            f"{path}: expected one of the arrays {', '.join(ARRAYS)}, found {', '.join(arrays) or 'none'}"
        )
    values = arrays[found[0]]
    if len(values) != count:
        raise UserError(f"{path}: array {found[0]!r}: expected {count} rows, one a query, got {len(values)}")
    return answers_of(ARRAYS[found[0]], values, np.arange(count), classes, **options)


def _read_table(path: Path, count: int) -> tuple[np.ndarray, dict[str, list[str]]]:
    """The queries' numbers, and the other columns, without rows that hold no answer."""
    lines = _lines(path)
    heading = [_column(cell) for cell in lines[0][1]] if lines else []
    if QUERY not in heading or len(heading) < 2:
        came = ", ".join(heading)[:60]
        raise UserError(f"{path}: expected the columns {COLUMNS}, as its first line; that is {came!r}")
    if twice := [name for name in heading if heading.count(name) > 1]:
        raise UserError(f"{path}: expected each column once, but {twice[0]!r} is there more often")
    if not lines[1:]:
        raise UserError(
            f"{path}: expected a row for each query that was answered, found none below the heading"
        )
    answered: dict[int, tuple[int, list[str]]] = {}
    for number, row in lines[1:]:
        where = f"{path}, line {number}"
        if len(row) != len(heading):
            raise UserError(f"{where}: expected {len(heading)} values, a column each, got {len(row)}")
        values = dict(zip(heading, map(str.strip, row), strict=True))
        query = _query(values.pop(QUERY), count, where)
        blank = [name for name, value in values.items() if not value]
        if len(blank) == len(values):
            continue
        if blank:
            raise UserError(f"{where}: expected a value in each column, or in none; {blank[0]!r} is empty")
        if query in answered:
            raise UserError(
                f"{where}: expected each query once, but {query} was answered in line {answered[query][0]} already"
            )
        answered[query] = number, list(values.values())
    names = [name for name in heading if name != QUERY]
    held = [row for _, row in answered.values()]
    columns = {name: [row[place] for row in held] for place, name in enumerate(names)}
    return np.array(list(answered), dtype=np.int64), columns


def _lines(path: Path) -> list[tuple[int, list[str]]]:
    """The rows of a table that are not empty, each with the number of its line; the first one says what separates."""
    try:
        if path.stat().st_size > LIMITS.header_bytes:
            raise UserError(f"{path}: more than {LIMITS.header_bytes:,} bytes; a row a query is enough")
        data = path.read_bytes()
        is_wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        text = data.decode("utf-16" if is_wide else "utf-8-sig")
        first = text.lstrip().partition("\n")[0]
        separator = max(SEPARATORS, key=first.count)
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
        return [(rows.line_num, row) for row in rows if any(cell.strip() for cell in row)]
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path}: expected text in UTF-8, but byte {error.start} is none; save the table as UTF-8"
        ) from None
    except (OSError, csv.Error) as error:
        raise UserError(f"{path}: expected a table of answers, but it cannot be read: {error}") from None


def _column(cell: str) -> str:
    """The name of a column; `Query`, `Label` and `Top1` are understood."""
    name = cell.strip()
    is_ours = name.lower() in (QUERY, LABEL) or name.lower().removeprefix(RANK).isdecimal()
    return name.lower() if is_ours else name


def _query(given: str, count: int, where: str) -> int:
    """The number of a query, from itself or its picture's name."""
    name = Path(given.replace("\\", "/")).stem
    if not name.isdecimal() or int(name) >= count:
        raise UserError(
            f"{where}: expected a query's picture or its number from 0, below {count}, got {given[:50]!r}"
        )
    return int(name)


def _of_columns(
    path: Path, columns: dict[str, list[str]], class_names: Sequence[str]
) -> tuple[Kind, np.ndarray, bool]:
    """The kind of a table's columns, their values, and whether they name classes that the candidates lack."""
    names = list(columns)
    ranks = [f"{RANK}{rank}" for rank in range(1, len(columns) + 1)]
    if names == [LABEL]:
        values, foreign = _classes(columns[LABEL], class_names)
        return Kind.LABELS, values, foreign
    if sorted(names) == sorted(ranks):
        flat = [value for name in ranks for value in columns[name]]
        values, foreign = _classes(flat, class_names)
        return Kind.TOP, values.reshape(len(ranks), -1).T, foreign
    if LABEL in names or f"{RANK}1" in names or len(names) < 2:
        raise UserError(
            f"{path}: expected the columns {COLUMNS}, and no others, got {', '.join(names)[:80]!r}"
        )
    values = np.array([[_number(value, f"{path}: {name}") for value in columns[name]] for name in names]).T
    numbers = [str(number) for number in range(len(class_names))]
    for known in (list(class_names), numbers):
        if set(names) == set(known):
            return Kind.PROBABILITIES, values[:, [names.index(name) for name in known]], False
    return Kind.PROBABILITIES, values, True


def _number(given: str, where: str) -> float:
    """A number, with a decimal point or comma."""
    try:
        return float(given.replace(",", ".") if given.count(",") == 1 and "." not in given else given)
    except ValueError:
        raise UserError(
            f"{where}: expected a column of probabilities a class, as 0.25, got {given[:50]!r}"
        ) from None


def _classes(given: list[str], class_names: Sequence[str]) -> tuple[np.ndarray, bool]:
    """Labels as numbers: of the candidates' names, or as they are, or of names of the suspect's own."""
    place = {name: number for number, name in enumerate(class_names)}
    if not set(given) <= set(place):
        place = {name.casefold(): number for name, number in place.items()}
        folded = [value.casefold() for value in given]
        given = folded if set(folded) <= set(place) and len(place) == len(class_names) else given
    if set(given) <= set(place):
        return np.array([place[name] for name in given]), False
    whole = [value.removesuffix(".0").removesuffix(",0") for value in given]
    if all(value.removeprefix("-").isdecimal() for value in whole):
        return np.array([int(value) for value in whole]), False
    own = {name: number for number, name in enumerate(dict.fromkeys(given))}
    return np.array([own[name] for name in given]), True
