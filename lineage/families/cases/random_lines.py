"""The cases of a random tree: a model beside its parent, one other, or those that stand nearest. No torch."""

from collections.abc import Iterator

import numpy as np

from lineage.families.cases import tree as ancestry
from lineage.families.cases.lines import Case, Member, some_of
from lineage.families.random_trees import RandomTree

NEAREST, OUT_OF = 8, 12
"""Candidates, drawn from so many that stand nearest."""
PARENT, ANOTHER, NEAR = (
    f"random trees, {beside}" for beside in ("the parent alone", "another relative alone", "eight relatives")
)


def cases_of_tree(tree: RandomTree, each: int | None = None) -> list[Case]:
    """The cases of every model: beside its parent, beside one other, and beside eight that stand near.

    Args:
        tree: which; each: draws so many of each line, None takes all.
    """
    found = []
    for line in (beside_parent, beside_other, beside_near):
        found += some_of(list(line(tree)), each, tree.seed_for(f"cases of {line.__name__}"))
    return found


def beside_parent(tree: RandomTree) -> Iterator[Case]:
    """Each model and its parent."""
    for child, parent in tree.parents.items():
        if parent is not None:
            yield _case(PARENT, tree, child, [parent])


def beside_other(tree: RandomTree) -> Iterator[Case]:
    """Each model and one that is not its parent."""
    draw = np.random.default_rng(tree.seed_for("another relative"))
    for child, parent in tree.parents.items():
        others = [name for name in tree.parents if name not in (child, parent)]
        yield _case(ANOTHER, tree, child, [str(draw.choice(others))])


def beside_near(tree: RandomTree) -> Iterator[Case]:
    """Each model and eight of the twelve that the fewest steps of the tree lead to."""
    draw = np.random.default_rng(tree.seed_for("near relatives"))
    for child in tree.parents:
        others = draw.permutation([name for name in tree.parents if name != child])
        others = sorted(others, key=lambda name: steps_between(tree, child, name))[:OUT_OF]
        yield _case(NEAR, tree, child, [str(name) for name in draw.permutation(others)[:NEAREST]])


def steps_between(tree: RandomTree, first: str, second: str) -> int:
    """Edges on the way from one model to another."""
    shared = ancestry.common_ancestor(first, second, tree.parents)
    lengths = [len(ancestry.line_of_descent(name, tree.parents)) for name in (first, second, shared)]
    return lengths[0] + lengths[1] - 2 * lengths[2]


def _case(line: str, tree: RandomTree, child: str, models: list[str]) -> Case:
    parent = tree.parents[child]
    return Case(
        line=line,
        child=Member(family=tree.id, model=child),
        candidates=[Member(family=tree.id, model=name) for name in models],
        parent=f"{tree.id}/{parent}" if parent in models else None,
    )
