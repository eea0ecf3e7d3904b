"""The matrix of methods and conditions: what a run prints first, and what its page begins with; and what it says."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from lineage.experiment.conditions import ABSENT, ALL_BLOCKS, STANDARD, among, ancestor_in
from lineage.results.methods import AUDIT_CLOSEST, BASELINE, family_of, similarity_of

SIMILARITIES = ("audit", "tree", "detector", "answers", "weight_l2", "l1", "cka")
"""What the matrix's methods compare: the paper's, the baseline, and what it is set against; fixed, so that none is
picked by its accuracy. The others stand in the tables."""
LEFT_OUT = ("linear", "weights", "features")
"""Approximations and inputs that the matrix leaves to the tables."""
LEADERS = (AUDIT_CLOSEST, BASELINE)
"""What the other methods are set against in words: the first of these that was run."""
MEANING = "intervals that do not meet"
"""When a method is surely ahead of another, or behind it."""
MULTIPLE = (
    "Each interval (95 %, over roots) is of one method under one condition; "
    "of so many, some miss by chance alone."
)


@dataclass(frozen=True, kw_only=True)
class Matrix:
    """The accuracies of one experiment, in per cent.

    cells: one row a method and column: method, column, mean, low, high, n, chance, in the order in which they are
    shown; low and high are NaN where no interval is known.
    """

    experiment: str
    cells: pd.DataFrame

    @property
    def columns(self) -> list[str]:
        """What was asked for."""
        return list(dict.fromkeys(self.cells["column"]))

    @property
    def methods(self) -> list[str]:
        """The rows."""
        return list(dict.fromkeys(self.cells["method"]))

    def cell(self, method: str, column: str) -> pd.Series | None:
        """A method's numbers in a column; None where it was not asked."""
        return self._cell_of.get((method, column))

    @cached_property
    def _cell_of(self) -> dict[tuple[str, str], pd.Series]:
        return {(cell["method"], cell["column"]): cell for _, cell in self.cells.iterrows()}

    def text(self, method: str, column: str) -> str:
        """A cell as it is shown: `95.8 (79 … 99)`."""
        cell = self.cell(method, column)
        if cell is None:
            return ""
        bounds = "" if pd.isna(cell["low"]) else f" ({cell['low']:.0f} … {cell['high']:.0f})"
        return f"{cell['mean']:.1f}{bounds}"

    def chance(self, column: str) -> str:
        """Chance in a column."""
        return f"{self.cells.loc[self.cells['column'] == column, 'chance'].iloc[0]:.1f}"

    def n(self, column: str) -> str:
        """Children in a column."""
        return f"{self.cells.loc[self.cells['column'] == column, 'n'].max():.0f}"


def matrices(accuracy: pd.DataFrame, conditions: pd.DataFrame) -> list[Matrix]:
    """The matrix of every experiment; whether the parent is absent is asked of its first setting alone.

    Args:
        accuracy, conditions: of `lineage.results.tables`.
    """
    asked = conditions[conditions["condition"].map(_is_shown).astype(bool)]
    standard = accuracy.assign(condition=STANDARD)
    rows = pd.concat([standard, asked[asked["experiment"].isin(set(accuracy["experiment"]))]])
    rows = rows[rows["method"].map(_is_of_matrix).astype(bool)]
    rows = rows.assign(
        column=[column_of(*names) for names in zip(rows["setting"], rows["condition"], strict=True)],
        order=[family_of(method).order for method in rows["method"]],
        last=rows["condition"] == ABSENT,
    )
    found = []
    for experiment, mine in rows.groupby("experiment", sort=False):
        settings = {setting: place for place, setting in enumerate(dict.fromkeys(mine["setting"]))}
        mine = mine.assign(place=mine["setting"].map(settings))
        mine = mine[~mine["last"] | (mine["place"] == 0)]
        cells = mine.sort_values(["order", "method", "place", "last", "column"], kind="stable")
        shown = cells[["method", "column", "mean", "low", "high", "n", "chance"]].reset_index(drop=True)
        found.append(Matrix(experiment=experiment, cells=shown))
    return found


def column_of(setting: str, condition: str) -> str:
    """What a column is called: the setting alone with all candidates."""
    if condition in (STANDARD, ALL_BLOCKS):
        return setting
    return f"{setting}, {condition}"


def _is_shown(condition: str) -> bool:
    return condition == ABSENT or condition.startswith((among(""), ancestor_in("")))


def _is_of_matrix(method: str) -> bool:
    return similarity_of(method) in SIMILARITIES and method.partition("/")[2] not in LEFT_OUT


def leader_of(matrix: Matrix) -> str | None:
    """The method that the others are set against."""
    return next((method for method in LEADERS if method in matrix.methods), None)


def against_leader(matrix: Matrix) -> dict[tuple[str, str], int]:
    """By method and column: -1 where a method is surely behind the leader, 1 where it is surely ahead, else 0.

    Surely means that the two intervals do not meet. Without one of them nothing is said.
    """
    leader, signs = leader_of(matrix), {}
    for column in matrix.columns if leader else ():
        first = matrix.cell(leader, column)
        for method in matrix.methods:
            cell = matrix.cell(method, column)
            if method != leader and _has_interval(first) and _has_interval(cell):
                signs[method, column] = int(cell["low"] > first["high"]) - int(cell["high"] < first["low"])
    return signs


def conclusions(matrix: Matrix) -> Iterator[str]:
    """What intervals say, in sentences: whom no other is surely ahead of, and whom the leader is, and where."""
    yield from _unbeaten(matrix)
    leader, signs = leader_of(matrix), against_leader(matrix)
    for said, wanted in (("behind", -1), ("ahead of", 1)):
        where = {
            method: tuple(column for column in matrix.columns if signs.get((method, column)) == wanted)
            for method in matrix.methods
        }
        for columns in dict.fromkeys(filter(None, where.values())):
            methods = [method for method, found in where.items() if found == columns]
            verb = "is" if len(methods) == 1 else "are"
            yield f"Surely {said} {leader} in “{'”, “'.join(columns)}” {verb} {', '.join(methods)}."


def _unbeaten(matrix: Matrix) -> Iterator[str]:
    """Which methods no other is surely ahead of under any condition: what a person would quote."""
    known = matrix.cells.dropna(subset="low")
    highest = known.groupby("column")["low"].transform("max")
    beaten = known.loc[known["high"] < highest, "method"].value_counts(sort=False)
    unbeaten = [method for method in dict.fromkeys(known["method"]) if method not in beaten]
    conditions = _counted(known["column"].nunique(), "condition")
    if not unbeaten:
        fewest = beaten.sort_values(kind="stable")
        counted = ", ".join(f"{method} under {count}" for method, count in fewest.items())
        yield f"Of {conditions}, each method is surely behind another under some: {counted} ({MEANING})."
    elif len(beaten):
        others = f"each of {len(beaten)} others" if len(beaten) > 1 else beaten.index[0]
        yield (
            f"Under {conditions} no method is surely ahead of {', '.join(unbeaten)}; {others} is surely behind "
            f"another under at least one: {MEANING}."
        )
    elif len(unbeaten) > 1:
        yield f"Under {conditions} no method is surely ahead of any other: {MEANING}."


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" + "s" * (number != 1)


def _has_interval(cell: pd.Series | None) -> bool:
    return cell is not None and pd.notna(cell["low"])
