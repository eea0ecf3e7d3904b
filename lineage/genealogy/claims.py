"""What a table of models claims of parents, beside the tree."""

from collections.abc import Iterator, Sequence

import networkx as nx

from lineage.checkpoints.find import Source
from lineage.genealogy.types import Claim, Edge, Node


def claims_of(sources: Sequence[Source], nodes: Sequence[Node], edges: Sequence[Edge]) -> Iterator[Claim]:
    """The state of each claim, with the reason.

    Args:
        sources: rows of a table, some with a claimed parent; nodes, edges: of the tree.
    """
    node_of = {id: node for node in nodes for id in (node.id, *node.copies)}
    directed = nx.DiGraph((edge.parent, edge.child) for edge in edges if edge.is_directed)
    for source in sources:
        child, parent = node_of.get(source.id), node_of.get(source.claimed_parent)
        if child is None or not source.claimed_parent:
            continue
        state, reason = _state(child, parent, directed)
        yield Claim(child=source.id, parent=source.claimed_parent, state=state, reason=reason)


def _state(child: Node, parent: Node | None, directed: nx.DiGraph) -> tuple[str, str]:
    if parent is None:
        return "undetermined", "the claimed parent is not among the models that were read"
    if parent.id == child.id:
        return "supported", "both hold the same tensors"
    if parent.family != child.family:
        return "contradicted", f"it is of another family: {parent.family} instead of {child.family}"
    if directed.has_edge(parent.id, child.id):
        return "supported", "the tree says the same"
    if directed.has_node(child.id):
        if directed.has_node(parent.id) and nx.has_path(directed, child.id, parent.id):
            return "contradicted", "it descends from the child"
        above = sorted(directed.predecessors(child.id))
        if above:
            return "contradicted", f"the tree names {', '.join(above)}"
    return "undetermined", "the child has no parent that is sure"
