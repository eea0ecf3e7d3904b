"""A family tree as one page for people: no network, no server; opens from the disk."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from lineage.auditing.report.passed_over import in_words
from lineage.auditing.report.types import ClaimState
from lineage.genealogy.page.outline import hanging, rows_of
from lineage.genealogy.page.words import (
    MISSING,
    claim_in_words,
    copies_of,
    evidence_of,
    in_part,
    note_of,
    recipe_in_words,
    summary_of,
)
from lineage.genealogy.types import Claim, Node, Tree
from lineage.storage.atomic import written_whole

FOLDER = Path(__file__).parent
COLOURS = FOLDER.parents[1] / "report" / "colours.css"
"""Shared with the page of results."""
PARTS = (*sorted(FOLDER.glob("*.j2")), *sorted(FOLDER.glob("*.css")), *sorted(FOLDER.glob("*.js")), COLOURS)
"""The files that the page consists of."""


def write_html(tree: Tree, path: Path) -> None:
    """Writes a tree as one page."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    pages = Environment(
        loader=FileSystemLoader([FOLDER, COLOURS.parent]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    text = pages.get_template("page.html.j2").render(
        given=tree.given,
        summary=summary_of(tree),
        in_part=list(in_part(tree)),
        drawn=_in_script(drawn(tree)),
        claims=sorted(tree.claims, key=lambda claim: claim.state is not ClaimState.CONTRADICTED),
        refused=list(tree.refused.values()),
        passed_over=list(map(in_words, tree.passed_over)),
    )
    with written_whole(path) as part:
        part.write_text(text, encoding="utf-8")


def drawn(tree: Tree) -> dict[str, list[dict]]:
    """What the page's script draws: `rows`, `nodes` and `edges`, which name each other by place."""
    nodes = {node.id: node for node in tree.nodes}
    places = {id: place for place, id in enumerate(nodes)}
    first = hanging(tree.edges)
    above: dict[str, list[int]] = {id: [] for id in nodes}
    for place, edge in enumerate(tree.edges):
        above[edge.child].append(place)
    for child, edges in above.items():
        edges.sort(key=lambda place: (place != first[child], -(tree.edges[place].weight or 0.0)))
    claims = {claim.child: claim for claim in tree.claims}
    recipes = {merge.child: recipe_in_words(merge) for merge in tree.merges}
    rows = rows_of(tree)
    labels = {tree.nodes[row.node].id: row.label for row in rows if row.node is not None}
    return {
        "rows": [asdict(row) for row in rows],
        "nodes": [
            _of_node(
                node,
                above[node.id],
                note_of([tree.edges[place] for place in above[node.id]], labels),
                recipes.get(node.id),
                [claims[id] for id in (node.id, *node.copies) if id in claims],
            )
            for node in tree.nodes
        ],
        "edges": [
            {
                "parent": places[edge.parent],
                "child": places[edge.child],
                "kind": edge.kind.value,
                "directed": edge.is_directed,
                "said": evidence_of(edge, nodes),
            }
            for edge in tree.edges
        ],
    }


def _of_node(
    node: Node, above: Sequence[int], note: str, recipe: str | None, claims: Sequence[Claim]
) -> dict[str, object]:
    return {
        "id": MISSING if node.is_open else node.id,
        "file": node.file,
        "hash": node.hash,
        "family": node.family,
        "copies": list(node.copies),
        "copied": copies_of(node),
        "above": list(above),
        "note": note,
        "recipe": recipe,
        "claims": [claim_in_words(claim) for claim in claims],
        "contradicted": any(claim.state is ClaimState.CONTRADICTED for claim in claims),
    }


def _in_script(value: object) -> str:
    """JSON that may stand in a script element."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c")
