"""Which tensor of a candidate corresponds to which of the child: by name, then by shape and order."""

from collections import defaultdict
from dataclasses import dataclass, field

from lineage.relation.naming import canonical

Shapes = dict[str, tuple[int, ...]]


@dataclass
class Matching:
    """Pairs of tensors.

    pairs: child's name → candidate's; transposed: the child's names whose matrix lies the other way;
    only_child, only_candidate: what did not match; how: `name` or `order` for each child's name.
    """

    pairs: dict[str, str] = field(default_factory=dict)
    how: dict[str, str] = field(default_factory=dict)
    transposed: set[str] = field(default_factory=set)
    only_child: list[str] = field(default_factory=list)
    only_candidate: list[str] = field(default_factory=list)


def match(child: Shapes, candidate: Shapes) -> Matching:
    """Matches tensors by name and shape, then by shape and order; matrices also the other way round.

    A shape is matched by order only where both have equally many left of it.
    """
    result = Matching()
    by_name: dict[str, list[str]] = defaultdict(list)
    for name in candidate:
        by_name[canonical(name)].append(name)
    left = dict.fromkeys(candidate)

    def pair(name: str, other: str, how: str) -> None:
        result.pairs[name], result.how[name] = other, how
        left.pop(other)

    for name, shape in child.items():
        other = next((other for other in by_name[canonical(name)] if other in left), None)
        if other is not None and candidate[other] == shape:
            pair(name, other, "name")
        elif other is not None and len(shape) == 2 and candidate[other] == shape[::-1]:
            pair(name, other, "name")
            result.transposed.add(name)
    _by_order(child, candidate, result, left, pair, transposed=False)
    _by_order(child, candidate, result, left, pair, transposed=True)
    if result.transposed:
        squares = {
            name for name in result.pairs if len(child[name]) == 2 and child[name][0] == child[name][1]
        }
        straight = [
            name for name in result.pairs
            if len(child[name]) == 2 and name not in squares | result.transposed
        ]  # fmt: skip
        result.transposed |= squares if len(result.transposed) > len(straight) else set()
    result.only_child = [name for name in child if name not in result.pairs]
    result.only_candidate = list(left)
    return result


def _by_order(
    child: Shapes, candidate: Shapes, result: Matching, left: dict, pair, *, transposed: bool
) -> None:
    unmatched, free = defaultdict(list), defaultdict(list)
    for name, shape in child.items():
        if name not in result.pairs and (len(shape) == 2 or not transposed):
            unmatched[shape[::-1] if transposed else shape].append(name)
    for other in left:
        free[candidate[other]].append(other)
    for shape, names in unmatched.items():
        if len(names) == len(free[shape]):
            for name, other in zip(names, free[shape], strict=True):
                pair(name, other, "order")
                if transposed:
                    result.transposed.add(name)
