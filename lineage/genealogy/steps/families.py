"""The families that a step found, as a file: who is in each, and where."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lineage.checkpoints.find import Source
from lineage.genealogy.families import PairTest
from lineage.genealogy.reading import Model
from lineage.genealogy.steps.batches import key_of, row_of, source_of
from lineage.storage.atomic import written_whole


@dataclass(frozen=True)
class Member:
    """A model of a family.

    source: names this model alone; content: a hash of its tensors' values; copies: ids of equal models.
    """

    source: Source
    content: str
    copies: Sequence[str]


@dataclass(frozen=True)
class FoundFamilies:
    """What was found: the members of each family by its key, in order, and why sources were refused."""

    members: Mapping[str, Sequence[Member]]
    refused: Mapping[str, str]

    @property
    def large(self) -> list[str]:
        """Keys of families of two models and more, which have a tree."""
        return [key for key, members in self.members.items() if len(members) > 1]


def write_families(
    models: Sequence[Model], families: Sequence[Sequence[int]], refused: Mapping[str, str], path: Path
) -> None:
    """Writes families.

    Args:
        models: without copies; families: places of each one's models; refused: reasons by source; path: where to.
    """
    named = {}
    for places in families:
        members = [models[place] for place in places]
        named[key_of(members[0].id)] = [
            {"source": row_of(model.source), "content": model.content, "copies": list(model.copies)}
            for model in members
        ]
    with written_whole(path) as part:
        part.write_text(json.dumps({"families": named, "refused": dict(refused)}, indent=1) + "\n")


def read_families(path: Path) -> FoundFamilies:
    """FoundFamilies from their file."""
    stored = json.loads(path.read_text())
    members = {
        key: [Member(source_of(row["source"]), row["content"], row["copies"]) for row in rows]
        for key, rows in stored["families"].items()
    }
    return FoundFamilies(members, stored["refused"])


class Remembered:
    """A test of pairs that asks another one only for pairs that no earlier run tested.

    Args:
        test: of a pair; path: of what is remembered, for one state of the code; another one's is not looked at.
    """

    def __init__(self, test: PairTest, path: Path):
        self._test, self._path = test, path
        self._known: dict[str, float] = json.loads(path.read_text()) if path.exists() else {}
        self.tested = 0

    def __call__(self, first: Model, second: Model) -> float:
        """The logarithm of the p-value; a model is known by its id and its tensors."""
        pair = " ".join(json.dumps([model.id, model.content]) for model in (first, second))
        if pair not in self._known:
            self._known[pair] = self._test(first, second)
            self.tested += 1
        return self._known[pair]

    def store(self) -> None:
        """Writes down what was learnt."""
        with written_whole(self._path) as part:
            part.write_text(json.dumps(self._known))
