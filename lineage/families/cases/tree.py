"""Who descends from whom in a family: in the planned ones the same in all of them. No torch.

A model is named by its id in the family, as in the files of its weights.
"""

from collections.abc import Mapping

from lineage.families.plan import PARENT_OF

Parents = Mapping[str, str | None]
"""Each model's parent; by default that of the planned families."""

CHILDREN = [model for model in PARENT_OF if model.startswith("c.")]
GRANDCHILDREN = [model for model in PARENT_OF if model.startswith("g.") or model == "gg"]
OTHER_TASKS = [model for model in PARENT_OF if model.startswith("task.")]
LINE = [model for model in PARENT_OF if model.startswith("line.")]


def line_of_descent(model: str, parents: Parents = PARENT_OF) -> list[str]:
    """The model, its parent, its grandparent, ..., to the first."""
    found = [model]
    while (parent := parents[found[-1]]) is not None:
        found.append(parent)
    return found


def common_ancestor(first: str, second: str, parents: Parents = PARENT_OF) -> str | None:
    """The last model that both descend from; that may be one of them."""
    above = set(line_of_descent(second, parents))
    return next((model for model in line_of_descent(first, parents) if model in above), None)


def descendants(model: str) -> list[str]:
    """All that descend from a model."""
    return [found for found in PARENT_OF if found != model and model in line_of_descent(found)]


def is_on_the_way(start: str, model: str, child: str) -> bool:
    """Whether a model lies on the way along the tree from another one to a child, ends left out; no way, no model."""
    shared = common_ancestor(start, child)
    if shared is None or model in (start, child):
        return False
    above_both = line_of_descent(shared)[1:]
    return model in [*line_of_descent(start), *line_of_descent(child)] and model not in above_both


def closest(child: str, candidates: list[str], parents: Parents = PARENT_OF) -> set[str]:
    """The candidates whose line leaves the child's nearest to the child; among them its ancestor, if one is there."""
    leaves = {candidate: common_ancestor(candidate, child, parents) for candidate in candidates}
    depth = {
        name: len(line_of_descent(shared, parents)) for name, shared in leaves.items() if shared is not None
    }
    nearest = {name for name, found in depth.items() if found == max(depth.values(), default=0)}
    return {name for name in nearest if leaves[name] == name} or nearest
