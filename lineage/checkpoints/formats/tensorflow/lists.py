"""Lists of the same variables: Keras' `export()` writes `variables`, and once more, in no order, `_all_variables`."""

import hashlib
import math
from collections import Counter, defaultdict
from collections.abc import Collection, Hashable, Iterable, Mapping

import numpy as np

from lineage.checkpoints.checkpoint import Entry


def held_once(raw: Mapping[str, Entry], most: int) -> dict[str, Entry]:
    """The variables without the lists of all whose values another list holds too; one with a public name stays.

    Values are read only where two lists have the same shapes, each list once.

    Args:
        raw: variables by name, in the order of the file; a list's are called by its name and a number.
        most: bytes of the files of numbers; where variables take more, nothing is read.
    """
    lists: dict[str, list[Entry]] = defaultdict(list)
    for name, entry in raw.items():
        owner, _, number = name.partition(".")
        if number.isdecimal():
            lists[owner].append(entry)
    alike: dict[frozenset, list[str]] = defaultdict(list)
    for owner in sorted(lists, key=lambda owner: owner.startswith("_")):
        alike[_counted((entry.shape, entry.dtype) for entry in lists[owner])].append(owner)
    twice = [owners for owners in alike.values() if len(owners) > 1]
    if sum(math.prod(entry.shape) for owners in twice for owner in owners for entry in lists[owner]) > most:
        return dict(raw)
    gone: set[str] = set()
    for owners in twice:
        seen: set[frozenset] = set()
        for owner in owners:
            values = _counted(_hash(entry) for entry in lists[owner])
            if values in seen:
                gone.add(owner)
            seen.add(values)
    return {name: entry for name, entry in raw.items() if not _is_in(name, gone)}


def _is_in(name: str, lists: Collection[str]) -> bool:
    """Whether a variable is an entry of one of some lists."""
    owner, _, number = name.partition(".")
    return owner in lists and number.isdecimal()


def _counted(things: Iterable[Hashable]) -> frozenset:
    return frozenset(Counter(things).items())


def _hash(entry: Entry) -> bytes:
    return hashlib.sha256(np.ascontiguousarray(entry.load()).tobytes()).digest()
