"""Networks that follow another one in the same file: a teacher, a target, an average of weights.

They are often a part of the module that is saved, under a prefix of their own. They are told by what they are called
and by holding what a part beside them holds, in the same shapes.
"""

import math
import re
from collections import Counter
from collections.abc import Mapping

FOLLOWING = {"teacher", "target", "ema", "momentum", "shadow", "slow", "swa", "averaged", "avg"}
"""What networks are called that follow another one by averaging or copying."""
PAIRED = {"k": "q", "key": "query", "m": ""}
"""Likewise, beside a part that is called the same but for this word."""
OF_ANOTHER_KIND = {"source", "src", "fast"}
"""What a target has beside it where it is no copy."""
WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|\d+")
DEEPEST = 2
"""Parts that the prefix of such a network has, at most."""
FEWEST = 2
"""Matrices that it has, at least."""
LEAST = 0.25
"""The share of the numbers of a file that such networks have, at least: what is smaller is a part of a network."""
MOST = 16
"""Prefixes that are looked at, the largest."""

Shapes = Mapping[str, tuple[int, ...]]


def followers(shapes: Shapes) -> list[str]:
    """The prefixes, with a dot at the end, of the networks among a file's tensors that follow another one there.

    Args:
        shapes: of all tensors, by name.
    """
    found: dict[str, int] = {}
    for prefix, size in _prefixes(shapes).most_common(MOST):
        held = _under(prefix, shapes)
        is_network = sum(len(shape) > 1 for shape in held.values()) >= FEWEST
        if is_network and not prefix.startswith(tuple(found)) and _has_another(prefix, held, shapes):
            found[prefix] = size
    whole = sum(math.prod(shape) for shape in shapes.values())
    return list(found) if sum(found.values()) >= LEAST * whole else []


def _prefixes(shapes: Shapes) -> Counter[str]:
    """The prefixes of some parts that are called like a network which follows another one, with their numbers."""
    found: Counter[str] = Counter()
    for name, shape in shapes.items():
        parts = name.split(".")[:-1][:DEEPEST]
        for depth, part in enumerate(parts, start=1):
            if _follows(part):
                found[".".join(parts[:depth]) + "."] += math.prod(shape)
    return found


def _follows(part: str) -> bool:
    words = set(_words(part))
    return not words.isdisjoint(FOLLOWING) or not words.isdisjoint(PAIRED)


def _has_another(prefix: str, held: Shapes, shapes: Shapes) -> bool:
    """Whether some part beside it, or what stands around it, holds all that it does."""
    outer, _, part = prefix.rstrip(".").rpartition(".")
    outer = f"{outer}." if outer else ""
    around = {name: shape for name, shape in _under(outer, shapes).items() if not name.startswith(f"{part}.")}
    is_by_name = not set(_words(part)).isdisjoint(FOLLOWING)
    if is_by_name and held.items() <= around.items():
        return True
    return any(
        (_is_followed(beside) if is_by_name else _words(beside) == _paired(part))
        and held.items() <= _under(f"{beside}.", around).items()
        for beside in {name.partition(".")[0] for name in around if "." in name}
    )


def _is_followed(part: str) -> bool:
    return not _follows(part) and OF_ANOTHER_KIND.isdisjoint(_words(part))


def _paired(part: str) -> list[str]:
    """The words that the part which is followed is called by."""
    return [word for own in _words(part) if (word := PAIRED.get(own, own))]


def _under(prefix: str, shapes: Shapes) -> dict[str, tuple[int, ...]]:
    return {name.removeprefix(prefix): shape for name, shape in shapes.items() if name.startswith(prefix)}


def _words(part: str) -> list[str]:
    return [word.lower() for word in WORDS.findall(part)]
