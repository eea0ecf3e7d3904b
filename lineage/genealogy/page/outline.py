"""The rows of a tree's drawing: each model below the one that it hangs from, families one after another.

A model trained from another stands one column further in. Steps of a training line share a column, so a run of a
thousand epochs is as narrow as one of two. Where rows are too many to read, some are closed at first: long runs,
many models that differ in nothing but their name, and branches from a depth on.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from lineage.genealogy.page.words import MISSING
from lineage.genealogy.types import Edge, Kind, Node, Tree

LEAVES = 12
"""Childless children of one model that are shown; of more, the rest is folded."""
STEPS = 6
"""Steps of a training line that are shown between two ends; more are folded."""
READABLE = 240
"""Rows that are open at first; of each family an even part, but LEAVES at least."""
ALONE = "without a relative"


class RowKind(StrEnum):
    """What a row shows."""

    FAMILY = "family"
    MODEL = "model"
    OPEN = "open"
    FOLD = "fold"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row.

    label: as drawn, without the family's folder, which its heading has; node: place among the tree's nodes; edge:
    place among its edges of the one that the row hangs from; depth: the column, 0 for a family's oldest; under: the
    row that hides this one when it is closed; source: the row that a line comes from; count: models below;
    is_closed: at first.
    """

    kind: RowKind
    label: str
    depth: int
    folder: str = ""
    under: int | None = None
    source: int | None = None
    node: int | None = None
    edge: int | None = None
    count: int = 0
    is_closed: bool = False


def rows_of(tree: Tree) -> list[Row]:
    """All rows from top to bottom; a row stands below the one that hides it."""
    outline = _Outline(tree)
    large = [family for family, members in tree.families.items() if len(members) > 1]
    for family in large:
        outline.add_family(family, tree.families[family])
    if alone := [id for members in tree.families.values() if len(members) == 1 for id in members]:
        outline.add_family(ALONE, alone)
    return closed_at_first(with_counts(outline.rows))


def hanging(edges: Sequence[Edge]) -> dict[str, int]:
    """The place of the edge by which each model hangs: of a merge's, that of the largest weight."""
    best: dict[str, int] = {}
    for place, edge in enumerate(edges):
        known = best.get(edge.child)
        if known is None or _rank(edge) > _rank(edges[known]):
            best[edge.child] = place
    return best


def _rank(edge: Edge) -> tuple[bool, float]:
    return edge.kind is not Kind.MERGED, edge.probability if edge.weight is None else edge.weight


def natural(id: str) -> list[tuple[bool, int, str]]:
    """A key that sorts names by the numbers in them."""
    parts = re.split(r"(\d+)", id)
    return [(part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in parts if part]


def common_folder(ids: Sequence[str]) -> str:
    """The folders, with a `/` at the end, that all ids begin with."""
    first, last = min(ids), max(ids)
    shared = 0
    while shared < min(len(first), len(last)) and first[shared] == last[shared]:
        shared += 1
    return first[: first.rfind("/", 0, shared) + 1]


@dataclass(frozen=True)
class _Waiting:
    """What is still to be added: one model, a fold of childless models, or the steps of a training line."""

    nodes: Sequence[str]
    depth: int
    under: int
    source: int | None
    fold: str = ""


class _Outline:
    """Rows as they come about."""

    def __init__(self, tree: Tree):
        self.rows: list[Row] = []
        self._nodes: Mapping[str, Node] = {node.id: node for node in tree.nodes}
        self._places = {node.id: place for place, node in enumerate(tree.nodes)}
        self._edges, self._hanging = tree.edges, hanging(tree.edges)
        self._children: dict[str, list[str]] = {}
        for child, place in self._hanging.items():
            self._children.setdefault(tree.edges[place].parent, []).append(child)

    def add_family(self, family: str, members: Sequence[str]) -> None:
        """A family's heading and its models, the oldest ones in the first column."""
        top = len(self.rows)
        folder = common_folder([id for id in members if not self._nodes[id].is_open])
        self.rows.append(Row(kind=RowKind.FAMILY, label=family, depth=0, folder=folder))
        tops = sorted((id for id in members if id not in self._hanging), key=natural)
        waiting = [_Waiting([id], 0, top, None) for id in reversed(tops)]
        while waiting:
            task = waiting.pop()
            waiting += reversed(list(self._added(task, folder)))

    def _added(self, task: _Waiting, folder: str) -> Iterator[_Waiting]:
        """Adds rows, and gives what is to follow them."""
        if not task.fold:
            (id,) = task.nodes
            here = self._add_model(id, task, task.under, task.source, folder)
            yield from self._below(id, here, task.depth)
            return
        fold = len(self.rows)
        self.rows.append(
            Row(kind=RowKind.FOLD, label=task.fold, depth=task.depth, under=task.under, source=task.source)
        )
        before = task.source
        for id in task.nodes:
            here = self._add_model(id, task, fold, before, folder)
            before = here if self._goes_on(id) else task.source
        if following := self._goes_on(task.nodes[-1]):
            yield _Waiting([following], task.depth, task.under, before)

    def _add_model(self, id: str, task: _Waiting, under: int, source: int | None, folder: str) -> int:
        is_open = self._nodes[id].is_open
        self.rows.append(
            Row(
                kind=RowKind.OPEN if is_open else RowKind.MODEL,
                label=MISSING if is_open else id.removeprefix(folder),
                depth=task.depth,
                under=under,
                source=source,
                node=self._places[id],
                edge=self._hanging.get(id),
            )
        )
        return len(self.rows) - 1

    def _below(self, id: str, here: int, depth: int) -> Iterator[_Waiting]:
        """What hangs from a model: branches, then childless ones that are folded, then the next steps of its line."""
        following = self._goes_on(id)
        branches = sorted((child for child in self._children.get(id, []) if child != following), key=natural)
        leaves = [child for child in branches if not self._children.get(child)]
        folded = leaves[LEAVES - 2 :] if len(leaves) > LEAVES else []
        hidden = set(folded)
        yield from (_Waiting([child], depth + 1, here, here) for child in branches if child not in hidden)
        if folded:
            yield _Waiting(folded, depth + 1, here, here, f"{len(folded)} more")
        if following:
            run = list(self._run(following))
            if len(run) > STEPS:
                yield _Waiting(run, depth, here, here, f"{len(run)} steps")
            else:
                yield _Waiting([following], depth, here, here)

    def _run(self, id: str) -> Iterator[str]:
        """Steps of a line, from one on, with nothing else hanging from them and a next step."""
        while (following := self._goes_on(id)) and len(self._children[id]) == 1:
            yield id
            id = following

    def _goes_on(self, id: str) -> str | None:
        """The next step of the training line that a model is on."""
        steps = [
            child
            for child in self._children.get(id, [])
            if self._edges[self._hanging[child]].kind is Kind.LINE
        ]
        return max(
            steps, key=lambda child: (len(self._children.get(child, [])), natural(child)), default=None
        )


def with_counts(rows: Sequence[Row]) -> list[Row]:
    """The rows with the numbers of models that each hides when it is closed."""
    counts = [0] * len(rows)
    for place in range(len(rows) - 1, -1, -1):
        under = rows[place].under
        if under is not None:
            counts[under] += counts[place] + (rows[place].kind is RowKind.MODEL)
    return [replace(row, count=count) for row, count in zip(rows, counts, strict=True)]


def closed_at_first(rows: Sequence[Row]) -> list[Row]:
    """The rows, some closed: folds, and in each family branches from the depth on where rows get too many."""
    tops = [place for place, row in enumerate(rows) if row.kind is RowKind.FAMILY]
    found: list[Row] = []
    for top, end in zip(tops, [*tops[1:], len(rows)], strict=True):
        found += _readable(rows[top:end], top, max(LEAVES, READABLE // len(tops)))
    return found


def _readable(rows: Sequence[Row], top: int, most: int) -> list[Row]:
    """The rows of one family, at most so many of them open if a depth allows it."""
    is_fold = [row.kind is RowKind.FOLD for row in rows]
    shown = [row for row in rows if row.under is None or not is_fold[row.under - top]]
    deepest = max(row.depth for row in rows)
    depth = next(
        (limit for limit in range(deepest, 0, -1) if sum(row.depth <= limit for row in shown) <= most), 0
    )

    def is_closed(row: Row) -> bool:
        if row.kind is RowKind.FAMILY:
            return deepest == 0 and len(shown) > most
        return row.kind is RowKind.FOLD or (row.count > 0 and depth <= row.depth and depth < deepest)

    return [replace(row, is_closed=is_closed(row)) for row in rows]
