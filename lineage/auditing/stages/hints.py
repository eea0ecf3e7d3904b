"""What counters in two files suggest of which was trained for longer; no evidence, for anyone can write a number."""

from collections.abc import Mapping


def hints_of(candidate: Mapping[str, int], child: Mapping[str, int]) -> list[str]:
    """A line for each counter that both files have.

    Args:
        candidate, child: counts by name.
    """
    found = []
    for name in sorted(candidate.keys() & child.keys()):
        theirs, ours = candidate[name], child[name]
        if theirs == ours:
            meaning = "both were counted alike"
        else:
            meaning = f"the {'child' if ours > theirs else 'candidate'} was trained for longer"
        found.append(f"{name} is {theirs} there and {ours} in the child, as if {meaning}")
    return found
