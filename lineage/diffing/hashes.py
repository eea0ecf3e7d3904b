"""The hash of a checkpoint: of its tensors alone, whatever file they lie in.

Wrappers' prefixes, a prefix that all names share, the order of tensors, metadata, the container and the dtype do not
count: tensors are hashed by their names, shapes and values as float32. Whole numbers, such as counters, do not count.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from lineage.checkpoints.checkpoint import Checkpoint
from lineage.index.summing import content_of
from lineage.relation.tensor_names import canonical


@dataclass(frozen=True)
class Hashes:
    """Of one model, as hex digits.

    tensors: of names, shapes and values; values: of shapes and values alone, the same if tensors are renamed.
    """

    tensors: str
    values: str


def hashes_of(model: Checkpoint) -> Hashes:
    """The hashes of a checkpoint; reads every tensor once."""
    return combined({name: content_of(model.read(name)) for name in model.entries})


def combined(contents: Mapping[str, bytes]) -> Hashes:
    """The hashes of a model from those of its tensors, by name."""
    names = bare(contents)
    named = sorted(name.encode() + b"\0" + contents[full] for full, name in names.items())
    return Hashes(_sha256(named), _sha256(sorted(contents.values())))


def bare(names: Iterable[str]) -> dict[str, str]:
    """Each name without wrappers' prefixes, and without the first part if all names share it."""
    found = {name: canonical(name) for name in names}
    while len(first := {name.partition(".")[0] for name in found.values()}) == 1 and all(
        "." in name for name in found.values()
    ):
        (shared,) = first
        found = {full: canonical(name.removeprefix(f"{shared}.")) for full, name in found.items()}
    return found


def _sha256(parts: Iterable[bytes]) -> str:
    return hashlib.sha256(b"".join(parts)).hexdigest()
