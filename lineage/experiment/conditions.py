"""Under which condition a verdict is asked for: which candidates there are, and what the detector has seen.

Imports nothing heavy: the workflow and the tables use it too.
"""

import random
from collections.abc import Mapping, Sequence

from lineage.seeds import seed_of
from lineage.types.evaluation import Evaluated

STANDARD = "all candidates"
"""The children's own parents are candidates, and the detector was trained on other children of theirs."""
ABSENT = "parent absent"
"""The parent is taken out of the candidates."""
PRESENT = "parent present"
"""Another candidate is taken out instead, so that the number of candidates gives nothing away."""
UNSEEN = "unseen parents"
"""The detector was trained on children of other parents, and these are all the candidates."""
ALL_BLOCKS = "all blocks"
"""The sources of all blocks of hybrids are asked for."""
NO_PARENT = "no parent"
"""The answer that stands beside the candidates."""


def with_count(count: int) -> str:
    """The parent among `count` candidates."""
    return f"{count} candidates"


def among(name: str) -> str:
    """The parent among other candidates, which the setting names so."""
    return f"among {name}"


def ancestor_in(setting: str) -> str:
    """The ancestor among the models of one setting, which may be generations back."""
    return f"ancestor in {setting}"


def gap(generations: int) -> str:
    """Ancestors so many generations back, by the line of predicted parents."""
    return f"gap {generations}"


def of_block(layer: str) -> str:
    """The source of one block of hybrids is asked for, the block that ends with this layer."""
    return f"block {layer}"


def trained_on(setting: str) -> str:
    """The detector was trained on another fine-tuning setting."""
    return f"trained on {setting}"


def ancestors_of(model: str, parents: Mapping[str, str]) -> list[str]:
    """A model's ancestors by each one's parent, the nearest first."""
    found = []
    while (model := parents.get(model)) is not None:
        found.append(model)
    return found


def asked_of(
    child: str, parent: str, candidates: Sequence[str], *, counts: Sequence[int], seed: int
) -> dict[str, list[str]]:
    """The candidates of a child under each condition but those that need another detector."""
    some = {
        with_count(count): some_candidates(child, parent, candidates, count=count, seed=seed)
        for count in counts
    }
    absent = [candidate for candidate in candidates if candidate != parent]
    present = some_candidates(child, parent, candidates, count=len(absent), seed=seed)
    return {STANDARD: list(candidates), ABSENT: absent, PRESENT: present} | some


def some_candidates(
    child: str, parent: str, candidates: Sequence[str], *, count: int, seed: int
) -> list[str]:
    """The parent and `count` - 1 others, drawn for this child and seed, in the candidates' order."""
    others = [candidate for candidate in candidates if candidate != parent]
    drawn = random.Random(seed_of(f"{seed}/{child}/{count}")).sample(others, count - 1)
    return [candidate for candidate in candidates if candidate == parent or candidate in drawn]


def asked_among(models: Evaluated) -> dict[str, list[str]]:
    """The candidates of a setting's children by condition, the standard ones first."""
    others = {condition: list(among.candidates) for condition, among in models.ancestors.items()}
    return {STANDARD: list(models.candidates)} | others
