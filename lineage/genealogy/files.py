"""A tree as files: JSON, GraphML, DOT, and Parquet tables of nodes and edges."""

import json
from dataclasses import asdict
from pathlib import Path

import networkx as nx
import pandas as pd

from lineage.auditing.report.headline import shown
from lineage.auditing.report.types import ClaimState, PassedOver
from lineage.errors import UserError, one_line, printable
from lineage.genealogy.merges.types import Recipe
from lineage.genealogy.types import FORMAT, Claim, Edge, Kind, Merge, Node, Tree
from lineage.storage.atomic import written_whole
from lineage.storage.parquet import write_table
from lineage.storage.tree_schemas import EDGES, NODES


def write_json(tree: Tree, path: Path) -> None:
    """Writes the whole tree as JSON."""
    with written_whole(path) as part:
        part.write_text(json.dumps(tree.to_dict(), indent=1, allow_nan=False) + "\n")


def read_json(path: Path) -> Tree:
    """A tree from its JSON.

    Raises:
        UserError: if it is none, or of another format.
    """
    try:
        stored = json.loads(path.read_text())
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path}: expected the JSON of a tree: {one_line(error)}") from None
    if not isinstance(stored, dict) or stored.get("format") != FORMAT:
        raise UserError(f"{path}: expected the JSON of a tree, of format {FORMAT}; make the tree again")
    edges = [Edge(**edge | {"kind": Kind(edge["kind"])}) for edge in stored["edges"]]
    claims = [Claim(**claim | {"state": ClaimState(claim["state"])}) for claim in stored["claims"]]
    merges = [Merge(**merge | {"recipe": Recipe(merge["recipe"])}) for merge in stored["merges"]]
    return Tree(
        given=stored["given"],
        families=stored["families"],
        nodes=[Node(**node) for node in stored["nodes"]],
        edges=edges,
        claims=claims,
        merges=merges,
        refused=stored["refused"],
        passed_over=[PassedOver(**files) for files in stored["passed_over"]],
    )


def write_graphml(tree: Tree, path: Path) -> None:
    """Writes nodes and edges as GraphML; an undirected edge is marked by `is_directed`."""
    graph = nx.DiGraph()
    for node in tree.nodes:
        graph.add_node(node.id, **_given(asdict(node) | {"copies": " ".join(node.copies)}))
    for edge in tree.edges:
        graph.add_edge(
            edge.parent, edge.child, **_given(asdict(edge) | {"kind": str(edge.kind), "rivals": None})
        )
    with written_whole(path) as part:
        nx.write_graphml_xml(graph, part)


def write_dot(tree: Tree, path: Path) -> None:
    """Writes nodes and edges as Graphviz' DOT, each family in a box of its own."""
    lines = ["digraph lineage {", "  rankdir=LR; node [shape=box, style=rounded];"]
    for number, (family, members) in enumerate(tree.families.items()):
        lines.append(f"  subgraph cluster_{number} {{ label={_quoted(family)};")
        lines += [f"    {_quoted(member)};" for member in members]
        lines.append("  }")
    lines += [
        f"  {_quoted(node.id)} [style=dashed, label={_quoted('not among the files')}];"
        for node in tree.nodes
        if node.is_open
    ]
    lines += [f"  {_quoted(edge.parent)} -> {_quoted(edge.child)} [{_look(edge)}];" for edge in tree.edges]
    with written_whole(path) as part:
        part.write_text("\n".join([*lines, "}"]) + "\n", encoding="utf-8")


def write_tables(tree: Tree, folder: Path) -> None:
    """Writes `nodes.parquet` and `edges.parquet` into a folder."""
    write_table(folder / "nodes.parquet", pd.DataFrame(map(asdict, tree.nodes)), NODES, ["family", "id"])
    edges = [asdict(edge) | {"kind": str(edge.kind)} for edge in tree.edges]
    write_table(folder / "edges.parquet", edges, EDGES, ["child", "parent"])


def _given(fields: dict) -> dict:
    """The fields that have a value."""
    return {
        name: printable(value) if isinstance(value, str) else value
        for name, value in fields.items()
        if value is not None
    }


def _look(edge: Edge) -> str:
    number = f"{edge.weight:.2f}" if edge.weight is not None else shown(edge.probability)
    return f'label="{number}"' + ("" if edge.is_directed else ", dir=none, style=dashed")


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
