"""Lists of the same variables: Keras' `export()` writes `variables`, and once more, in no order, `_all_variables`."""

import hashlib
import itertools
from collections import Counter, defaultdict
from collections.abc import Mapping

import numpy as np

from lineage.checkpoints.checkpoint import Entry


def held_once(raw: Mapping[str, Entry]) -> dict[str, Entry]:
    """The variables without the lists of all whose values another list holds too; one with a public name stays.

    Values are read only where two lists have the same shapes.

    Args:
        raw: variables by name, in the order of the file; a list's are called by its name and a number.
    """
    lists: dict[str, list[str]] = defaultdict(list)
    for name in raw:
        owner, _, number = name.partition(".")
        if number.isdecimal():
            lists[owner].append(name)
    ordered = sorted(lists, key=lambda owner: owner.startswith("_"))
    gone: set[str] = set()
    for first, second in itertools.combinations(ordered, 2):
        ours, theirs = ([raw[name] for name in lists[owner]] for owner in (first, second))
        if (
            not {first, second} & gone
            and _shapes(ours) == _shapes(theirs)
            and _values(ours) == _values(theirs)
        ):
            gone.add(second)
    return {name: entry for name, entry in raw.items() if name.partition(".")[0] not in gone}


def _shapes(entries: list[Entry]) -> Counter:
    return Counter((entry.shape, entry.dtype) for entry in entries)


def _values(entries: list[Entry]) -> Counter:
    return Counter(hashlib.sha256(np.ascontiguousarray(entry.load()).tobytes()).digest() for entry in entries)
