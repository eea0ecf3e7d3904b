"""`lineage tree` on constructed families: who was made from whom is known exactly."""

import json

import networkx as nx
import numpy as np
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import save_file
from small_networks import child_of, network, save_all
from typer.testing import CliRunner

import lineage
from lineage.auditing.report.types import ClaimState
from lineage.checkpoints.find import Source, sources_of
from lineage.cli import app
from lineage.errors import UserError
from lineage.genealogy.claims import claims_of, independent_by_rows
from lineage.genealogy.reading import read_models
from lineage.genealogy.terminal import Families
from lineage.genealogy.types import Edge, Kind, Node, Tree
from lineage.index.digest import DigestCache

TRUE = {
    ("r0", "r0.a"), ("r0", "r0.b"), ("r0", "r0.c"), ("r0.a", "r0.a.g"),
    ("r1", "r1.a"), ("r1", "r1.b"), ("r1", "r1.c"), ("r1.a", "r1.a.g"),
}  # fmt: skip


def zoo() -> dict[str, dict[str, np.ndarray]]:
    """Two families, each of a root, three children and a grandchild; a lone network."""
    found = {"lone": network(9)}
    for root in (0, 1):
        found[f"r{root}"] = network(root)
        for number, name in enumerate("abc"):
            found[f"r{root}.{name}"] = child_of(found[f"r{root}"], 50 + 10 * root + number)
        found[f"r{root}.a.g"] = child_of(found[f"r{root}.a"], 90 + root)
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The zoo, a copy of r1.c, a merge of r0.a and r0.b, and a file that is no model."""
    folder, models = tmp_path_factory.mktemp("zoo"), zoo()
    save_all(folder, models)
    save_file({f"module.{name}": values for name, values in models["r1.c"].items()}, folder / "s.safetensors")
    merge = {
        name: (0.6 * values + 0.4 * models["r0.b"][name]).astype(np.float32)
        for name, values in models["r0.a"].items()
    }
    save_file(merge, folder / "merge.safetensors")
    (folder / "broken.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0{}")
    return folder


@pytest.fixture(scope="module")
def found(folder, tmp_path_factory) -> Tree:
    return lineage.tree(folder, cache=tmp_path_factory.mktemp("digests"))


def test_families_are_those_that_were_constructed(found):
    assert sorted(map(sorted, found.families.values())) == [
        ["lone"],
        ["merge", *(f"r0{name}" for name in ("", ".a", ".a.g", ".b", ".c"))],
        [f"r1{name}" for name in ("", ".a", ".a.g", ".b", ".c")],
    ]


def test_every_directed_edge_is_true_and_most_true_edges_are_directed(found):
    directed = {(edge.parent, edge.child) for edge in found.sure_edges}
    assert directed <= TRUE
    assert len(directed) >= 6


def test_a_merge_has_its_parents_with_their_weights(found):
    merged = {edge.parent: edge.weight for edge in found.edges if edge.kind == "merged"}
    assert merged == {"r0.a": pytest.approx(0.6, abs=0.01), "r0.b": pytest.approx(0.4, abs=0.01)}
    assert all(edge.child == "merge" for edge in found.edges if edge.kind == "merged")


def test_copies_are_one_node(found):
    assert {node.id: list(node.copies) for node in found.nodes if node.copies} == {"r1.c": ["s"]}


def test_every_probability_lies_between_0_and_1(found):
    assert found.edges
    assert all(0 <= edge.probability <= 1 for edge in found.edges)


def test_other_possible_parents_of_an_edge_are_named_with_what_is_left_of_the_probability(found):
    for edge in found.edges:
        rates = list(edge.rivals.values())
        assert not {edge.parent, edge.child} & set(edge.rivals)
        assert rates == sorted(rates, reverse=True)
        if edge.is_directed:
            assert edge.probability + sum(rates) <= 1 + 1e-9


def test_nothing_descends_from_itself(found):
    graph = nx.DiGraph((edge.parent, edge.child) for edge in found.edges)
    assert nx.is_directed_acyclic_graph(graph)


def test_what_cannot_be_read_is_named(found):
    assert list(found.refused) == ["broken"]


def test_children_without_their_parent_hang_from_an_open_node(tmp_path):
    root = network(2)
    for number in range(4):
        save_file(child_of(root, number, strength=1.5), tmp_path / f"c{number}.safetensors")
    found = lineage.tree(tmp_path, store_digests=False)
    (missing,) = [node for node in found.nodes if node.is_open]
    assert (missing.file, missing.hash) == (None, None)
    assert {edge.child for edge in found.edges if edge.parent == missing.id} == {f"c{n}" for n in range(4)}
    assert not [edge for edge in found.edges if edge.is_directed and edge.parent != missing.id]


def test_claims_of_a_table_are_compared_with_the_tree(folder, tmp_path_factory):
    claims = {"r0.a": "r0", "r0.b": "r1", "r1": "r1.a", "s": "r1.c", "r1.b": ""}
    rows = [
        f"{id}\t{folder / id}.safetensors\tcandidate\t{claims.get(id, '')}"
        for id in ("r0", "r0.a", "r0.b", "r1", "r1.a", "r1.b", "r1.c", "s")
    ]
    table = tmp_path_factory.mktemp("table") / "models.tsv"
    table.write_text("\n".join(["id\tpath\trole\tclaimed_parent", *rows]) + "\n")
    found = lineage.tree(table, store_digests=False, follow_links=True)
    assert {claim.child: claim.state for claim in found.claims} == {
        "r0.a": "supported", "r0.b": "contradicted", "r1": "contradicted", "s": "supported"
    }  # fmt: skip


def test_a_claim_on_what_could_not_be_read_is_said_to_be_open_and_none_supports_itself(folder, tmp_path):
    rows = ["broken\tcandidate\tr0", "r0\tcandidate\tr0", "r0.a\tcandidate\tr0"]
    lines = [row.replace("\t", f"\t{folder / row.split()[0]}.safetensors\t", 1) for row in rows]
    table = tmp_path / "models.tsv"
    table.write_text("\n".join(["id\tpath\trole\tclaimed_parent", *lines]) + "\n")
    found = lineage.tree(table, store_digests=False, follow_links=True)
    assert {claim.child: (claim.state, claim.reason) for claim in found.claims} == {
        "broken": ("undetermined", "the child could not be read"),
        "r0": ("contradicted", "no model is its own parent"),
        "r0.a": ("supported", "the tree says the same"),
    }


def test_a_digest_that_is_stored_under_one_name_of_a_file_serves_a_link_of_another_name(tmp_path):
    """As `HEAD.pt -> step-40.pt` in a folder of checkpoints."""
    plain, linked = tmp_path / "plain", tmp_path / "linked"
    for number, folder in enumerate((plain, linked)):
        folder.mkdir()
        save_file(network(3), folder / "root.safetensors", metadata={"number": str(number)})
    save_file(child_of(network(3), 4), plain / "a.safetensors")
    (linked / "b.safetensors").symlink_to(plain / "a.safetensors")
    edges = [
        [
            (edge.parent, edge.child)
            for edge in lineage.tree(folder, cache=tmp_path / "d", follow_links=True).edges
        ]
        for folder in (plain, linked, plain)
    ]
    assert edges == [[("root", "a")], [("root", "b")], [("root", "a")]]
    report = lineage.audit(plain / "root.safetensors", linked, cache=tmp_path / "d", follow_links=True)
    assert set(report.family) == {"b", "root"}


@pytest.mark.parametrize(("is_independent", "state"), [(True, "contradicted"), (False, "undetermined")])
def test_a_claimed_parent_of_another_family_is_contradicted_only_by_a_test(is_independent, state):
    nodes = [Node(id="child", family="family-1"), Node(id="other", family="family-2")]
    sources = [Source(id="child", path="child.pt", claimed_parent="other")]
    tested = []
    (claim,) = claims_of(sources, nodes, [], lambda *pair: bool(tested.append(pair)) or is_independent)
    assert (claim.state, tested) == (ClaimState(state), [("child", "other")])


@pytest.mark.parametrize(
    ("between", "state"), [(0.001, "undetermined"), (0.034, "undetermined"), (0.09, "contradicted")]
)
@pytest.mark.parametrize("is_copy", [True, False])
@pytest.mark.parametrize("is_directed", [True, False])
def test_a_claimed_parent_is_not_contradicted_by_a_model_too_near_to_it_to_tell(
    between, state, is_copy, is_directed
):
    nodes = [Node(id=id, family="family-1") for id in ("claimed", "named", "child")]
    near = ("claimed", "named") if is_copy else ("named", "claimed")
    edges = [
        Edge(parent=parent, child=child, kind=Kind.TRAINED, probability=0.99, is_directed=sure, change=change)
        for parent, child, change, sure in ((*near, between, is_directed), ("named", "child", 0.1, True))
    ]
    sources = [Source(id="child", path="child.pt", claimed_parent="claimed")]
    (claim,) = claims_of(sources, nodes, edges, lambda *pair: False)
    assert claim.state == ClaimState(state)


def test_one_matrix_in_common_is_too_little_to_call_two_models_independent(tmp_path):
    first, second = network(1), network(2)
    save_file(first, tmp_path / "whole.safetensors")
    save_file(second, tmp_path / "other.safetensors")
    save_file({"layer1.weight": second["layer1.weight"]}, tmp_path / "one.safetensors")
    models, _ = read_models(sources_of(str(tmp_path)), DigestCache(None))
    sources = [model.source for model in models]
    independent = independent_by_rows(sources, DigestCache(None), alpha=0.01, follow=False)
    assert independent("whole", "other")
    assert not independent("whole", "one")


def test_a_link_out_of_its_own_folder_but_not_out_of_the_given_one_stops_no_tree(tmp_path):
    for name in ("stored", "named"):
        (tmp_path / name).mkdir()
    root = network(2)
    save_file(root, tmp_path / "stored" / "root.safetensors")
    save_file(child_of(root, 1), tmp_path / "stored" / "blob")
    (tmp_path / "named" / "a.safetensors").symlink_to(tmp_path / "stored" / "blob")
    found = lineage.tree(tmp_path, store_digests=False)
    assert (list(found.families.values()), found.refused) == ([["named/a", "stored/root"]], {})


def test_no_edge_is_said_to_be_certain():
    edge = Edge(parent="a", child="b", kind=Kind.TRAINED, probability=0.999, is_directed=True)
    tree = Tree(given="", families={}, nodes=[Node(id=id, family="f") for id in "ab"], edges=[edge])
    (top,) = Families(tree).drawn("f").children
    assert [str(limb.label) for limb in top.children] == ["b [trained > 0.99]"]


def test_the_command_writes_json_graphml_dot_and_tables(folder, tmp_path):
    paths = {name: tmp_path / name for name in ("t.json", "t.graphml", "t.dot")}
    written = CliRunner().invoke(
        app,
        ["tree", str(folder), "--cache", str(tmp_path / "c"), "--json", str(paths["t.json"]),
         "--graphml", str(paths["t.graphml"]), "--dot", str(paths["t.dot"]), "--parquet", str(tmp_path)],
    )  # fmt: skip
    assert written.exit_code == 0, written.output
    assert "12 models: 2 families, 1 without a relative" in written.output
    report = json.loads(paths["t.json"].read_text())
    assert {"id", "file", "hash", "family"} <= set(report["nodes"][0])
    assert {"parent", "child", "kind", "probability", "is_directed", "weight"} <= set(report["edges"][0])
    pairs = {(edge["parent"], edge["child"]) for edge in report["edges"]}
    graph = nx.read_graphml(paths["t.graphml"])
    assert set(graph.edges) == pairs
    assert graph.nodes["r0"]["family"] == graph.nodes["r0.a"]["family"]
    edges = pq.read_table(tmp_path / "edges.parquet").to_pandas()
    assert set(zip(edges["parent"], edges["child"], strict=True)) == pairs
    assert pq.read_table(tmp_path / "nodes.parquet").num_rows == len(report["nodes"])
    dot = paths["t.dot"].read_text()
    assert dot.count(" -> ") == len(pairs)


def test_mistakes_are_one_line(tmp_path):
    with pytest.raises(UserError, match="expected checkpoints"):
        lineage.tree(tmp_path)
    with pytest.raises(UserError, match="alpha: expected a rate between 0 and 1, got 2"):
        lineage.tree(tmp_path, alpha=2)


def test_how_far_the_work_on_a_large_family_is_is_said_and_of_small_ones_it_is_not(
    folder, tmp_path, monkeypatch
):
    monkeypatch.setattr("lineage.genealogy.build.MANY", 6)
    lines: list[str] = []
    lineage.tree(folder, cache=tmp_path, say=lines.append)
    assert [line.partition(" in ")[0] for line in lines if "neighbours" in line] == [
        "models compared with their neighbours: 6"
    ]
