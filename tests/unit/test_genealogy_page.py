"""The page of a family tree: which rows it has, what is closed at first, and what it says."""

import itertools
import json
import re
from collections import Counter

import pytest
from drawn_trees import large_tree
from typer.testing import CliRunner

from lineage.auditing.report.types import ClaimState, PassedOver
from lineage.cli import app
from lineage.genealogy.page.outline import (
    LEAVES,
    READABLE,
    STEPS,
    Row,
    RowKind,
    common_folder,
    hanging,
    natural,
    rows_of,
)
from lineage.genealogy.page.words import evidence_of, note_of, summary_of
from lineage.genealogy.page.write import drawn, write_html
from lineage.genealogy.types import Claim, Edge, Kind, Node, Tree


def edge(parent: str, child: str, kind: Kind = Kind.TRAINED, **other) -> Edge:
    given = {"probability": 0.9, "is_directed": True} | other
    return Edge(parent=parent, child=child, kind=kind, **given)


def tree_of(edges: list[Edge], alone: tuple[str, ...] = (), **other) -> Tree:
    """One family of all that edges name, and models without a relative."""
    ids = list(dict.fromkeys(id for edge in edges for id in (edge.parent, edge.child)))
    families = ({"f": ids} if ids else {}) | {f"alone-{id}": [id] for id in alone}
    nodes = [
        Node(id=id, family=family, file=f"{id}.pt", hash=id)
        for family, members in families.items()
        for id in members
    ]
    return Tree(given="zoo", families=families, nodes=nodes, edges=edges, **other)


def shown(rows: list[Row]) -> list[Row]:
    """What is seen at first, by the definition: no row above, on the way up, is closed."""

    def is_hidden(row: Row) -> bool:
        return row.under is not None and (rows[row.under].is_closed or is_hidden(rows[row.under]))

    return [row for row in rows if not is_hidden(row)]


def test_each_model_stands_below_its_parent_one_column_further_in():
    rows = rows_of(tree_of([edge("r", "a"), edge("a", "g"), edge("r", "b")]))
    assert [(row.label, row.depth) for row in rows] == [("f", 0), ("r", 0), ("a", 1), ("g", 2), ("b", 1)]
    assert [row.source for row in rows] == [None, None, 1, 2, 1]
    assert [row.count for row in rows] == [4, 3, 1, 0, 0]


def test_every_model_has_one_row_whatever_the_tree(large):
    rows = rows_of(large)
    assert Counter(row.node for row in rows if row.node is not None) == Counter(range(len(large.nodes)))
    assert all(row.under is None or row.under < place for place, row in enumerate(rows))


def test_steps_of_a_training_line_share_a_column_and_many_are_folded():
    steps = [f"epoch-{number}" for number in range(1001)]
    rows = rows_of(tree_of([edge(*pair, Kind.LINE) for pair in itertools.pairwise(steps)]))
    assert {row.depth for row in rows} == {0}
    assert [row.label for row in shown(rows)] == ["f", "epoch-0", "999 steps", "epoch-1000"]
    assert rows[-1].source == len(rows) - 2


def test_a_short_training_line_is_shown_and_a_branch_stands_between_its_steps():
    steps = [f"e{number}" for number in range(STEPS)]
    line = [edge(*pair, Kind.LINE) for pair in itertools.pairwise(steps)]
    rows = rows_of(tree_of([*line, edge("e2", "tuned")]))
    assert [row.label for row in rows] == ["f", "e0", "e1", "e2", "tuned", "e3", "e4", "e5"]
    assert [row.depth for row in rows] == [0, 0, 0, 0, 1, 0, 0, 0]


@pytest.mark.parametrize(("leaves", "folded"), [(LEAVES, 0), (LEAVES + 1, 3), (900, 900 - LEAVES + 2)])
def test_of_many_childless_children_some_are_shown(leaves, folded):
    rows = rows_of(tree_of([edge("r", f"c{number}") for number in range(leaves)]))
    assert sum(row.kind is RowKind.MODEL for row in shown(rows)) == 1 + leaves - folded
    assert [row.label for row in rows if row.kind is RowKind.FOLD] == ([f"{folded} more"] if folded else [])


def test_of_a_thousand_models_so_many_are_open_that_a_person_can_read_them(large):
    rows = rows_of(large)
    families = sum(row.kind is RowKind.FAMILY for row in rows)
    assert families < len(shown(rows)) <= READABLE + families * (LEAVES + 2)
    assert sum(row.count for row in rows if row.kind is RowKind.FAMILY) == len(large.nodes)


def test_a_merge_hangs_from_the_parent_with_the_largest_weight():
    edges = [
        edge("a", "m", Kind.MERGED, weight=0.3),
        edge("b", "m", Kind.MERGED, weight=0.7),
        edge("a", "b"),
    ]
    assert hanging(edges) == {"m": 1, "b": 2}
    found = drawn(tree_of(edges))
    (merge,) = [node for node in found["nodes"] if node["id"] == "m"]
    assert (merge["note"], merge["above"]) == ("= 0.70 b + 0.30 a", [1, 0])


def test_models_without_a_relative_stand_under_one_heading():
    rows = rows_of(tree_of([edge("r", "a")], alone=("x", "y")))
    assert [row.label for row in rows[3:]] == ["without a relative", "x", "y"]
    assert {row.source for row in rows[3:]} == {None}


def test_an_ancestor_that_is_not_here_is_said_to_be_none_of_the_models():
    nodes = [
        Node(id="f/absent", family="f", is_open=True),
        Node(id="a", family="f"),
        Node(id="b", family="f"),
    ]
    edges = [edge("f/absent", id, Kind.BRANCHED) for id in "ab"]
    tree = Tree(given="", families={"f": ["f/absent", "a", "b"]}, nodes=nodes, edges=edges)
    rows = rows_of(tree)
    assert [row.kind for row in rows] == ["family", "open", "model", "model"]
    assert rows[1].label == "an ancestor that is not here"
    assert rows[0].count == 2
    assert evidence_of(edges[0], {node.id: node for node in nodes})[0] == (
        "a branched off from an ancestor that is not here"
    )


@pytest.mark.parametrize(
    ("given", "said", "note"),
    [
        ({}, "b was trained from a", "0.90"),
        ({"kind": Kind.LINE}, "b goes on in the direction", "0.90"),
        ({"is_directed": False}, "a and b are neighbours", "0.90 not sure"),
        ({"probability": 0.999}, "b was trained from a", "> 0.99"),
        ({"kind": Kind.MERGED, "weight": 1 / 3}, "b is a merge", "= 0.33 a"),
    ],
)
def test_an_edge_is_put_into_words_as_sure_as_it_is(given, said, note):
    found = edge("a", "b", **given)
    assert evidence_of(found, {id: Node(id=id, family="f") for id in "ab"})[0].startswith(said)
    assert note_of([found], {"a": "a"}) == note


def test_numbers_in_names_sort_as_numbers_and_a_common_folder_is_said_once():
    assert sorted(["c10", "c9", "b", "c9.1"], key=natural) == ["b", "c9", "c9.1", "c10"]
    assert sorted(["x²", "x1²", "x1"], key=natural) == ["x1", "x1²", "x²"]
    assert common_folder(["zoo/vit/a", "zoo/vit-b/c"]) == "zoo/"
    assert common_folder(["vit/a", "vit/b"]) == "vit/"
    assert common_folder(["a", "ab"]) == ""


def test_the_page_asks_for_nothing_and_holds_names_that_are_markup_as_text(tmp_path):
    bad = "</script><img src=x onerror=alert(1)>"
    claim = Claim(child=bad, parent="r", state=ClaimState.CONTRADICTED, reason="<b>no</b>")
    left = PassedOver(reason="hidden", count=1, files=["zoo/.<i>x</i>"])
    tree = tree_of([edge("r", bad)], claims=[claim], refused={"x": "<i>not read</i>"}, passed_over=[left])
    write_html(tree, tmp_path / "tree.html")
    page = (tmp_path / "tree.html").read_text()
    assert bad not in page
    assert "<i>" not in page
    assert "1 file, hidden: i&gt;" in page
    assert not re.findall(r"(?:src|href)=\"(?!data:)|@import|url\(|https?://(?!www\.w3\.org)", page)
    data = json.loads(re.search(r'<script type="application/json" id="tree">(.*?)</script>', page, re.S)[1])
    assert data["nodes"][1]["id"] == bad
    assert data["nodes"][1]["contradicted"]


def test_the_command_writes_the_page(tmp_path, monkeypatch):
    monkeypatch.setattr("lineage.genealogy.run.tree", lambda *_, **__: tree_of([edge("r", "a")]))
    done = CliRunner().invoke(app, ["tree", "zoo", "--html", str(tmp_path / "tree.html")])
    assert done.exit_code == 0, done.output
    assert "2 models: 1 family, 0 without a relative; 1 edge, 1 of them directed" in done.output
    assert summary_of(tree_of([edge("r", "a")])) in (tmp_path / "tree.html").read_text()


@pytest.fixture(scope="module")
def large() -> Tree:
    return large_tree()
