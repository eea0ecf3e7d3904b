"""The tree of one family as a step, and all families' trees together: the same tree that `lineage tree` gives."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from lineage.auditing.report.types import PassedOver
from lineage.auditing.stages.thirds.passing import Direction
from lineage.checkpoints.find import Source
from lineage.errors import UserError
from lineage.genealogy.build import family_tree
from lineage.genealogy.claims import claims_of, independent_by_rows
from lineage.genealogy.files import read_json
from lineage.genealogy.reading import read_models
from lineage.genealogy.steps.families import FoundFamilies, Member
from lineage.genealogy.types import Edge, Merge, Node, Tree
from lineage.index.digest import DigestCache
from lineage.progress import Tracked, untracked


def tree_of_family(
    key: str,
    sources: Sequence[Source],
    cache: DigestCache,
    direction: Direction,
    tracked: Tracked = untracked,
) -> Tree:
    """The tree of one family, which is named by its key.

    Args:
        key: of the family; sources: of its models, each of one; cache: of digests.
        direction: estimates a share from features; tracked: says how far it is.

    Raises:
        UserError: if a model cannot be read any more.
    """
    models, refused = read_models(sources, cache)
    if refused:
        raise UserError(next(iter(refused.values())))
    nodes, edges, merges = family_tree(models, key, cache, direction, follow=False, tracked=tracked)
    families = {key: [node.id for node in nodes]}
    return Tree(given=key, families=families, nodes=nodes, edges=edges, merges=merges)


def together(
    given: str,
    sources: Sequence[Source],
    families: FoundFamilies,
    trees: Iterable[Path],
    cache: DigestCache,
    alpha: float,
    passed_over: Sequence[PassedOver] = (),
) -> Tree:
    """The tree of all models.

    Args:
        given: as the user named the models; sources: with claimed parents.
        families: that were found; trees: JSON of each large one; cache: of digests, for claims.
        alpha: the false-positive rate of a test of a claim; passed_over: files that are no models.

    Raises:
        UserError: if no model could be read.
    """
    if not families.members:
        raise UserError(next(iter(families.refused.values()), f"{given}: holds no model"))
    found = {(tree := read_json(path)).given: tree for path in trees}
    named: dict[str, list[str]] = {}
    nodes: list[Node] = []
    edges: list[Edge] = []
    merges: list[Merge] = []
    for number, (key, members) in enumerate(families.members.items(), start=1):
        name = f"family-{number}"
        own, between = _renamed(found[key], name) if key in found else ([_alone(members[0], name)], [])
        copies = {member.source.id: list(member.copies) for member in members}
        own = [replace(node, copies=copies.get(node.id, [])) for node in own]
        named[name] = [node.id for node in own]
        nodes += own
        edges += between
        merges += found[key].merges if key in found else []
    models = [member.source for members in families.members.values() for member in members]
    independent = independent_by_rows(models, cache, alpha=alpha, follow=False)
    claims = list(claims_of(sources, nodes, edges, independent))
    return Tree(
        given=given,
        families=named,
        nodes=nodes,
        edges=edges,
        merges=merges,
        claims=claims,
        refused=families.refused,
        passed_over=passed_over,
    )


def _alone(member: Member, family: str) -> Node:
    return Node(id=member.source.id, family=family, file=member.source.path, hash=member.content)


def _renamed(tree: Tree, family: str) -> tuple[list[Node], list[Edge]]:
    """Nodes and edges of a family's tree under another name; open nodes are called after their family."""
    ids = {node.id: node.id.replace(node.family, family, 1) for node in tree.nodes if node.is_open}
    nodes = [replace(node, id=ids.get(node.id, node.id), family=family) for node in tree.nodes]
    edges = [
        replace(edge, parent=ids.get(edge.parent, edge.parent), child=ids.get(edge.child, edge.child))
        for edge in tree.edges
    ]
    return nodes, edges
