"""Who descends from whom in a family; the same in all of them. No torch.

A model is named by its id in the family, as in the files of its weights.
"""

from lineage.families.plan import EPOCHS_OF_LINE, RUNS

PARENT_OF: dict[str, str | None] = {}
"""Of every model, in the order in which they are trained."""
for _run in RUNS:
    if _run.each_epoch:
        _epochs = [f"{_run.id}.{number}" for number in range(1, EPOCHS_OF_LINE + 1)]
        PARENT_OF |= dict(zip(_epochs, [_run.parent, *_epochs], strict=False))
    else:
        PARENT_OF[_run.id] = _run.parent

CHILDREN = [model for model in PARENT_OF if model.startswith("c.")]
GRANDCHILDREN = [model for model in PARENT_OF if model.startswith("g.") or model == "gg"]
OTHER_TASKS = [model for model in PARENT_OF if model.startswith("task.")]
LINE = [model for model in PARENT_OF if model.startswith("line.")]


def line_of_descent(model: str) -> list[str]:
    """The model, its parent, its grandparent, ..., to the initialisation."""
    found = [model]
    while (parent := PARENT_OF[found[-1]]) is not None:
        found.append(parent)
    return found


def common_ancestor(first: str, second: str) -> str | None:
    """The last model that both descend from; that may be one of them."""
    above = set(line_of_descent(second))
    return next((model for model in line_of_descent(first) if model in above), None)


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


def closest(child: str, candidates: list[str]) -> set[str]:
    """The candidates whose line leaves the child's nearest to the child; among them its ancestor, if one is there."""
    leaves = {candidate: common_ancestor(candidate, child) for candidate in candidates}
    depth = {name: len(line_of_descent(shared)) for name, shared in leaves.items() if shared is not None}
    nearest = {name for name, found in depth.items() if found == max(depth.values(), default=0)}
    return {name for name in nearest if leaves[name] == name} or nearest
