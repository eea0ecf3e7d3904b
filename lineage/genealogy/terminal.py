"""A tree on the terminal."""

import rich.tree
from rich.console import Console

from lineage.auditing.report.headline import shown
from lineage.genealogy.page.words import MISSING, summary_of
from lineage.genealogy.types import Edge, Node, Tree

SHOWN = 100
"""Models that are drawn; the JSON has all."""


def print_tree(tree: Tree) -> None:
    """Prints each family of two and more as a tree, the rest as a number, claims, and what was refused."""
    console = Console(highlight=False, markup=False, soft_wrap=True)
    console.width = max(console.width, 110)
    large = {family: members for family, members in tree.families.items() if len(members) > 1}
    count = sum(1 for node in tree.nodes if not node.is_open)
    console.print(summary_of(tree))
    left = SHOWN
    for family, members in large.items():
        if left <= 0:
            console.print(f"  and more families, of {count} models in all: see the JSON")
            break
        left -= len(members)
        console.print(drawn(family, tree))
    for claim in tree.claims:
        console.print(f"  claimed parent of {claim.child}, {claim.parent}: {claim.state}: {claim.reason}")
    for line in tree.refused.values():
        console.print(f"  left out: {line}")


def drawn(family: str, tree: Tree) -> rich.tree.Tree:
    """One family."""
    nodes = {node.id: node for node in tree.nodes if node.family == family}
    below: dict[str, list[Edge]] = {}
    for edge in tree.edges:
        if edge.parent in nodes:
            below.setdefault(edge.parent, []).append(edge)
    children = {edge.child for edges in below.values() for edge in edges}
    top = rich.tree.Tree(family)
    shown: set[str] = set()
    for node in nodes.values():
        if node.id not in children:
            _add(top, node, None, nodes, below, shown)
    return top


def _add(
    branch: rich.tree.Tree,
    node: Node,
    edge: Edge | None,
    nodes: dict[str, Node],
    below: dict[str, list[Edge]],
    shown: set[str],
) -> None:
    words = [MISSING if node.is_open else node.id]
    if edge is not None:
        words.append(_of_edge(edge))
    if node.copies:
        words.append(f"(same tensors: {', '.join(node.copies)})")
    limb = branch.add(" ".join(words))
    if node.id in shown:
        return
    shown.add(node.id)
    for following in below.get(node.id, []):
        _add(limb, nodes[following.child], following, nodes, below, shown)


def _of_edge(edge: Edge) -> str:
    said = f"{edge.kind} {shown(edge.probability)}"
    if edge.weight is not None:
        said = f"{edge.kind}, weight {edge.weight:.2f}"
    return f"[{said}]" if edge.is_directed else f"[{said}, direction or parent not sure]"
