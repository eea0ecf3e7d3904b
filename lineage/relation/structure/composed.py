"""A network that is composed of layers of several others, as frankenmerges are."""

from collections.abc import Mapping

WHOLE = 0.9
"""Share of the testable weights that the parts add up to, at least."""
LEAST = 0.1
"""Share that a part has, at least; and that a part's network has beside it."""


def composed(
    belonging: Mapping[str, Mapping[str, float]], sizes: Mapping[str, int], apart: Mapping[str, float]
) -> dict[str, float]:
    """The networks whose layers make up the whole, with their shares, largest first; empty if it is not composed.

    Networks that share layers with each other are relatives, and of relatives nobody is a part of the child. What
    lies in the child as a whole may have been cut out of it.

    Args:
        belonging: for each network the child's matrices that belong to it, with how alike they are.
        sizes: of all testable matrices of the child.
        apart: the share of each network that is not in the child.
    """
    total = sum(sizes.values())
    best: dict[str, str] = {}
    for id, matrices in belonging.items():
        for name, alike in matrices.items():
            if name not in best or alike > belonging[best[name]][name]:
                best[name] = id
    parts: dict[str, set[str]] = {}
    for name, id in best.items():
        parts.setdefault(id, set()).add(name)
    shares = {id: sum(sizes[name] for name in names) / total for id, names in parts.items()}
    shares = {id: share for id, share in shares.items() if share >= LEAST}
    if len(shares) < 2 or sum(shares.values()) < WHOLE or min(apart[id] for id in shares) < LEAST:
        return {}
    for id in shares:
        foreign = sum(sizes[name] for name in belonging[id] if best[name] != id)
        if foreign >= LEAST * total:
            return {}
    return dict(sorted(shares.items(), key=lambda item: -item[1]))
