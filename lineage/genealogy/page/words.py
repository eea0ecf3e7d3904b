"""What the page says of a tree, of its models and of its edges."""

from collections.abc import Iterator, Mapping, Sequence

from lineage.auditing.report.headline import shown
from lineage.genealogy.types import Claim, Edge, Kind, Merge, Node, Tree

MISSING = "an ancestor that is not here"
RIVALS = 3
"""Other possible parents that are named."""
SHORT = 20
"""Letters of a merge's parent in a note."""


def summary_of(tree: Tree) -> str:
    """How many models, families and edges there are."""
    large = sum(1 for members in tree.families.values() if len(members) > 1)
    count = sum(1 for node in tree.nodes if not node.is_open)
    directed = sum(1 for edge in tree.edges if edge.is_directed)
    return (
        f"{counted(count, 'model')}: {counted(large, 'family')}, {len(tree.families) - large} without a relative; "
        f"{counted(len(tree.edges), 'edge')}, {directed} of them directed"
    )


def in_part(tree: Tree) -> Iterator[str]:
    """Lines on the models of which so much was left out that their family may be another."""
    for node in tree.nodes:
        if node.is_in_part:
            yield f"{node.id}: up to {node.unread:.0%} of its weights were left out: its family may be larger"


def counted(count: int, what: str) -> str:
    """A number with its noun."""
    plural = f"{what[:-1]}ies" if what.endswith("y") else f"{what}s"
    return f"{count} {what if count == 1 else plural}"


def evidence_of(edge: Edge, nodes: Mapping[str, Node]) -> list[str]:
    """What an edge says, and what it rests on: a sentence, then facts.

    Args:
        edge: of the tree; nodes: of the tree, by id.
    """
    parent = MISSING if nodes[edge.parent].is_open else edge.parent
    return [_said(edge, parent), *_facts(edge)]


def _said(edge: Edge, parent: str) -> str:
    if edge.kind is Kind.MERGED:
        return f"{edge.child} is a merge, with {parent} among its parents"
    if edge.kind is Kind.BRANCHED:
        return f"{edge.child} branched off from {parent}"
    if not edge.is_directed:
        unsure = "which came earlier, or whether another is the parent, is not sure"
        return f"{parent} and {edge.child} are neighbours; {unsure}"
    if edge.kind is Kind.LINE:
        return f"{edge.child} goes on in the direction of the training that {parent} is of"
    return f"{edge.child} was trained from {parent}"


def _facts(edge: Edge) -> list[str]:
    facts = []
    if edge.weight is not None:
        facts.append(f"weight {edge.weight:.2f}")
    elif edge.is_directed or edge.kind is Kind.BRANCHED:
        facts.append(f"probability {shown(edge.probability)} that this is right")
    else:
        facts.append(f"probability {shown(edge.probability)} that they are neighbours")
    if edge.change is not None:
        facts.append(f"their weights are {100 * edge.change:.1f} % of the parent's norm apart")
    if edge.rivals:
        named = [f"{id} {shown(rate)}" for id, rate in list(edge.rivals.items())[:RIVALS]]
        facts.append(f"other possible parents: {', '.join(named)}")
    return facts


def recipe_in_words(merge: Merge) -> str:
    """How a model was merged, and how well that fits."""
    on = f" on {merge.base}" if merge.base else ""
    left_out = "" if merge.left_out is None else f", {100 * merge.left_out:.0f} % of the changes left out"
    return f"recipe: {merge.recipe}{on}{left_out}; it leaves {100 * merge.error:.1f} % of the merge's change"


def note_of(edges: Sequence[Edge], labels: Mapping[str, str]) -> str:
    """What stands beside a model's name.

    Args:
        edges: that lead to it; the one that it hangs from comes first.
        labels: names as they are drawn, by id.
    """
    if not edges:
        return ""
    if edges[0].kind is Kind.MERGED:
        return "= " + " + ".join(f"{edge.weight or 0:.2f} {_short(labels[edge.parent])}" for edge in edges)
    said = shown(edges[0].probability)
    return said if edges[0].is_directed else f"{said} not sure"


def _short(label: str) -> str:
    """The two ends of a long name."""
    return label if len(label) <= SHORT else f"{label[: SHORT // 2 - 1]}…{label[-SHORT // 2 :]}"


def copies_of(node: Node) -> str:
    """How many files hold the same tensors."""
    return counted(len(node.copies), "copy") if node.copies else ""


def claim_in_words(claim: Claim) -> str:
    """A claimed parent, the state of the claim and why."""
    return f"claimed parent {claim.parent}: {claim.state}: {claim.reason}"
