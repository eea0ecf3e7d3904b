"""Which bases an adapter fits: their layers' names and shapes are those that it changes."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lineage.checkpoints.adapters.factors import Shapes, fits
from lineage.checkpoints.adapters.parts import Part

MOST_DROPPED, MOST_TRIED = 12, 200
"""Words in front of an adapter's names that a base may lack, and tensors of a base that its first layer may be."""

Words = tuple[str, ...]


@dataclass(frozen=True)
class Fit:
    """How an adapter's names become a base's: `dropped` words in front are replaced by those of `prefix`.

    names: the base's, by their words.
    """

    dropped: int
    prefix: Words
    names: Mapping[Words, str]

    def name(self, called: str) -> str | None:
        """The base's tensor that the adapter calls so."""
        return self.names.get((*self.prefix, *_words(called)[self.dropped :]))

    def weight(self, part: Part) -> str | None:
        """The base's weights of a layer."""
        return self.name(f"{part.module}.weight")


def fit(parts: Sequence[Part], shapes: Shapes) -> Fit | None:
    """How the layers of an adapter are called in a base; None if it lacks one, or has it in another shape."""
    if not parts:
        return None
    names = {_words(name): name for name in shapes}
    first, tried = _words(f"{parts[0].module}.weight"), 0
    for dropped in range(min(len(first), MOST_DROPPED)):
        suffix = first[dropped:]
        for words in names:
            if words[len(words) - len(suffix) :] != suffix:
                continue
            found, tried = Fit(dropped, words[: len(words) - len(suffix)], names), tried + 1
            if all(_fits(part, found.weight(part), shapes) for part in parts):
                return found
            if tried >= MOST_TRIED:
                return None
    return None


def _fits(part: Part, name: str | None, shapes: Shapes) -> bool:
    return name is not None and (fits(part.shape, shapes[name]) or fits(part.shape, shapes[name][::-1]))


def _words(name: str) -> Words:
    return tuple(re.split(r"[._]", name))
