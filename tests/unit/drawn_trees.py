"""Trees to draw: one with an edge of each kind, and one of a thousand models."""

import random

from lineage.auditing.report.types import ClaimState
from lineage.genealogy.merges.types import Recipe
from lineage.genealogy.types import Claim, Edge, Kind, Merge, Node, Tree

TASKS = ("food", "cars", "pets", "flowers", "sketch")
FAMILIES, ALONE, STEPS = 30, 40, 60


def edge(parent: str, child: str, kind: Kind = Kind.TRAINED, **fields) -> Edge:
    given = {"probability": 0.97, "is_directed": True} | fields
    return Edge(parent=parent, child=child, kind=kind, **given)


def node(id: str, family: str, **fields) -> Node:
    return Node(
        id=id,
        family=family,
        file=f"zoo/{id}.safetensors",
        hash=f"{random.Random(id).getrandbits(256):064x}",
        **fields,
    )


def small_tree() -> Tree:
    """A family with a merge, a copy and an edge that is not sure; one without its root; a lone model."""
    first = [node(id, "family-1") for id in ("r0", "r0.b", "r0.c", "r0.a.g", "merge")]
    first.append(node("r0.a", "family-1", copies=["r0.a-backup"]))
    second = [node(f"vit/{id}", "family-2") for id in ("one", "two", "two-tuned")]
    missing = Node(id="family-2/absent", family="family-2", is_open=True)
    edges = [
        edge("r0", "r0.a", probability=1.0, change=0.08),
        edge("r0", "r0.b", change=0.11),
        edge("r0", "r0.c", probability=0.66, is_directed=False, rivals={"r0.b": 0.2, "r0.a": 0.002}),
        edge("r0.a", "r0.a.g", probability=0.93),
        edge("r0.a", "merge", Kind.MERGED, weight=0.6, probability=1.0),
        edge("r0.b", "merge", Kind.MERGED, weight=0.4, probability=1.0),
        edge(missing.id, "vit/one", Kind.BRANCHED, probability=0.9),
        edge(missing.id, "vit/two", Kind.BRANCHED, probability=0.7, is_directed=False),
        edge("vit/two", "vit/two-tuned", Kind.LINE),
    ]
    nodes = [*first, missing, *second, node("lone", "family-3")]
    families: dict[str, list[str]] = {}
    for each in nodes:
        families.setdefault(each.family, []).append(each.id)
    claims = [
        Claim(
            child="r0.b", parent="vit/one", state=ClaimState.CONTRADICTED, reason="it is of another family"
        ),
        Claim(child="r0.a", parent="r0", state=ClaimState.SUPPORTED, reason="the tree says the same"),
    ]
    weights = {"r0.a": 0.6, "r0.b": 0.4}
    merges = [Merge(child="merge", recipe=Recipe.TASK_ARITHMETIC, error=0.012, weights=weights, base="r0")]
    refused = {"broken": "zoo/broken.safetensors: expected a checkpoint, found HTML"}
    return Tree(
        given="zoo/",
        families=families,
        nodes=nodes,
        edges=edges,
        claims=claims,
        merges=merges,
        refused=refused,
    )


def large_tree(count: int = 1000) -> Tree:
    """So many models: families with branches, merges and a training line, and models without a relative."""
    draw = random.Random(0)
    families: dict[str, list[str]] = {f"family-{number}": [] for number in range(1, FAMILIES + 1)}
    nodes, edges = [], []
    for number in range(count - ALONE):
        family = f"family-{1 + number % FAMILIES if number >= STEPS + 1 else 1}"
        members = families[family]
        id = f"{family}/m{len(members)}"
        nodes.append(node(id, family))
        if family == "family-1" and 0 < len(members) <= STEPS:
            edges.append(edge(members[-1], id, Kind.LINE))
        elif len(members) > 5 and draw.random() < 0.05:
            parents, weight = draw.sample(members, 2), draw.uniform(0.2, 0.8)
            for parent, share in zip(parents, (weight, 1 - weight), strict=True):
                edges.append(edge(parent, id, Kind.MERGED, weight=share, probability=1.0))
        elif members:
            parent = members[0] if draw.random() < 0.3 else draw.choice(members)
            sure = draw.random()
            edges.append(
                edge(parent, id, probability=sure, is_directed=sure > 0.2, change=draw.uniform(0, 0.3))
            )
        members.append(id)
    for number in range(ALONE):
        family = f"family-{FAMILIES + 1 + number}"
        families[family] = [f"alone/{draw.choice(TASKS)}-{number}"]
        nodes.append(node(families[family][0], family))
    return Tree(given="/models/zoo", families=families, nodes=nodes, edges=edges)
