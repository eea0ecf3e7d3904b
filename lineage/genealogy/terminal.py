"""A tree on the terminal."""

import rich.tree

from lineage.auditing.report.headline import shown
from lineage.auditing.report.passed_over import in_words
from lineage.genealogy.page.words import MISSING, in_part, summary_of
from lineage.genealogy.types import Edge, Kind, Node, Tree
from lineage.screen import Screen

SHOWN = 100
"""Models that are drawn; the JSON has all."""
INDENT = 4
"""Columns that a child stands to the right of its parent."""


def print_tree(tree: Tree) -> None:
    """Prints each family of two and more as a tree, the rest as a number, claims, and what was not read."""
    console = Screen(110 + INDENT * SHOWN)
    large = {family: members for family, members in tree.families.items() if len(members) > 1}
    console.print(summary_of(tree))
    left = SHOWN
    families = Families(tree)
    for number, family in enumerate(large):
        if left <= 0:
            console.print(f"and {len(large) - number} more families: see --json")
            break
        console.print(families.drawn(family, most=left))
        left -= len(large[family])
    for claim in tree.claims:
        console.print(f"  claimed parent of {claim.child}, {claim.parent}: {claim.state}: {claim.reason}")
    for line in in_part(tree):
        console.print(f"  read in part: {line}")
    for line in tree.refused.values():
        console.print(f"  left out: {line}")
    for files in tree.passed_over:
        console.print(f"  passed over: {in_words(files)}")


class Families:
    """The families of a tree, to be drawn one by one."""

    def __init__(self, tree: Tree):
        self._nodes: dict[str, dict[str, Node]] = {}
        for node in tree.nodes:
            self._nodes.setdefault(node.family, {})[node.id] = node
        self._below: dict[str, list[Edge]] = {}
        for edge in tree.edges:
            self._below.setdefault(edge.parent, []).append(edge)
        self._children = {edge.child for edge in tree.edges}

    def drawn(self, family: str, most: int = SHOWN) -> rich.tree.Tree:
        """One family, of its models the first ones, at most so many; a line says how many more there are.

        What goes on in a training line stands below what it goes on from, not beside it.
        """
        nodes = self._nodes[family]
        top, shown = rich.tree.Tree(family), set()
        waiting = [(top, node, None) for node in reversed(nodes.values()) if node.id not in self._children]
        while waiting and len(shown) < most:
            branch, node, edge = waiting.pop()
            limb = branch.add(_words_of(node, edge))
            if node.id not in shown:
                shown.add(node.id)
                following = self._below.get(node.id, [])
                goes_on = len(following) == 1 and following[0].kind is Kind.LINE and edge is not None
                waiting += [
                    (branch if goes_on else limb, nodes[edge.child], edge) for edge in reversed(following)
                ]
        if left := len(nodes) - len(shown):
            top.add(f"and {left} more models: see --json")
        return top


def _words_of(node: Node, edge: Edge | None) -> str:
    words = [MISSING if node.is_open else node.id]
    if edge is not None:
        words.append(_of_edge(edge))
    if node.copies:
        words.append(f"(same tensors: {', '.join(node.copies)})")
    return " ".join(words)


def _of_edge(edge: Edge) -> str:
    said = f"{edge.kind} {shown(edge.probability)}"
    if edge.weight is not None:
        said = f"{edge.kind}, weight {edge.weight:.2f}"
    return f"[{said}]" if edge.is_directed else f"[{said}, direction or parent not sure]"
