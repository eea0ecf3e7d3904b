"""What a table of models claims of parents, beside the tree."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence

import networkx as nx

from lineage.auditing.report.claims import least_p
from lineage.auditing.report.types import ClaimState
from lineage.auditing.stages.child import read_child
from lineage.auditing.stages.testing import run_tests
from lineage.checkpoints.find import Source
from lineage.genealogy.types import Claim, Edge, Node
from lineage.index.digest import DigestCache
from lineage.relation.direction.estimate import RESOLUTION

Independent = Callable[[str, str], bool]
"""Whether a test of two models, by their ids, shows them to be independent."""


def claims_of(
    sources: Sequence[Source], nodes: Sequence[Node], edges: Sequence[Edge], independent: Independent
) -> Iterator[Claim]:
    """The state of each claim, with the reason.

    Args:
        sources: rows of a table, some with a claimed parent; nodes, edges: of the tree.
        independent: tests a child and a claimed parent of another family.
    """
    node_of = {id: node for node in nodes for id in (node.id, *node.copies)}
    directed = nx.DiGraph((edge.parent, edge.child) for edge in edges if edge.is_directed)
    change = {frozenset((edge.parent, edge.child)): edge.change for edge in edges}
    for source in sources:
        child, parent = node_of.get(source.id), node_of.get(source.claimed_parent)
        if not source.claimed_parent:
            continue
        if source.claimed_parent == source.id:
            state, reason = ClaimState.CONTRADICTED, "no model is its own parent"
        elif child is None:
            state, reason = ClaimState.UNDETERMINED, "the child could not be read"
        else:
            state, reason = _state(child, parent, directed, change, independent)
        yield Claim(child=source.id, parent=source.claimed_parent, state=state, reason=reason)


def _state(
    child: Node,
    parent: Node | None,
    directed: nx.DiGraph,
    change: Mapping[frozenset[str], float | None],
    independent: Independent,
) -> tuple[ClaimState, str]:
    if parent is None:
        return ClaimState.UNDETERMINED, "the claimed parent is not among the models that were read"
    if parent.id == child.id:
        return ClaimState.SUPPORTED, "both hold the same tensors"
    if parent.family != child.family:
        of_another = f"it is of another family: {parent.family} instead of {child.family}"
        if in_part := [node.id for node in (child, parent) if node.is_in_part]:
            return (
                ClaimState.UNDETERMINED,
                f"{of_another}, but {' and '.join(in_part)} could be read in part only",
            )
        if independent(child.id, parent.id):
            return ClaimState.CONTRADICTED, f"{of_another}, and a test shows the two to be independent"
        return ClaimState.UNDETERMINED, f"{of_another}, but no test shows the two to be independent"
    if directed.has_edge(parent.id, child.id):
        return ClaimState.SUPPORTED, "the tree says the same"
    if directed.has_node(child.id):
        if directed.has_node(parent.id) and nx.has_path(directed, child.id, parent.id):
            return ClaimState.CONTRADICTED, "it descends from the child"
        above = sorted(directed.predecessors(child.id))
        near = [
            named
            for named in above
            if _is_short(change.get(frozenset((named, parent.id))), change[frozenset((named, child.id))])
        ]
        if near:
            return (
                ClaimState.UNDETERMINED,
                f"the tree names {', '.join(near)}, which is too near to it to tell",
            )
        if above:
            return ClaimState.CONTRADICTED, f"the tree names {', '.join(above)}"
    return ClaimState.UNDETERMINED, "the child has no parent that is sure"


def _is_short(between: float | None, own: float | None) -> bool:
    """Whether two models are so near to each other, beside the child's own change from one, that either may be it."""
    return between is not None and own is not None and between <= RESOLUTION * own


def independent_by_rows(
    models: Sequence[Source], cache: DigestCache, *, alpha: float, follow: bool
) -> Independent:
    """Tests two of the models by the order of their rows.

    They are independent if the test of two matrices and more could have shown that they are not, and did not.

    Args:
        models: that were read, each named alone; cache: of their digests.
        alpha: the false-positive rate of a test; follow: links out of the folders.
    """
    source_of, limit = {source.id: source for source in models}, math.log10(alpha)

    def independent(child: str, parent: str) -> bool:
        source = source_of[child]
        opened = read_child(source.path, cache, inside=source.inside, follow=follow)
        tested = run_tests(opened, [source_of[parent]], cache, follow=follow).candidates
        return any(
            found.is_evidence
            and found.log10_p > limit
            and not found.no_evidence(limit)
            and least_p(found) <= limit
            for found in tested
        )

    return independent
