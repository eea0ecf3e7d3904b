"""Candidates drawn at random for a child, in which the mixed detector learns to find its nearest ancestor.

A draw is of a pool, such as the roots, the parents' generation or all models that do not descend from the child. A
quarter of the draws leave all ancestors out; the others mostly hold at least one, any of the line.
"""

from collections.abc import Mapping, Sequence

import torch

from lineage.experiment.conditions import ancestors_of
from lineage.types.evaluation import MixedModels

ABSENT_SHARE, HELD_SHARE = 0.25, 0.8
"""Of the draws without ancestors, and of the others those that are given an ancestor if they have drawn none."""
FEWEST, MOST = 2, 32
"""Candidates of a draw."""


class Lines:
    """Who descends from whom.

    Args:
        parents: each child's parent.
    """

    def __init__(self, parents: Mapping[str, str]):
        self._parents = parents

    def ancestors(self, model: str) -> list[str]:
        """The model's ancestors, the nearest first."""
        return ancestors_of(model, self._parents)

    def nearest(self, child: str, candidates: Sequence[str]) -> int:
        """The place of the child's nearest ancestor among candidates, or their number where none is there."""
        there = [ancestor for ancestor in self.ancestors(child) if ancestor in candidates]
        return list(candidates).index(there[0]) if there else len(candidates)

    def drawn(
        self, child: str, pools: Sequence[Sequence[str]], generator: torch.Generator, most: int = MOST
    ) -> list[str]:
        """Candidates of a child, none of which is the child itself.

        Args:
            child: its id.
            pools: ids to draw from, one pool at a time; at least two of each remain without the child's line.
            generator: of random numbers.
            most: how many candidates at most.
        """
        line = set(self.ancestors(child))
        pool = pools[_below(len(pools), generator)]
        pool = [candidate for candidate in pool if candidate != child]
        kind = torch.rand((), generator=generator).item()
        if is_absent := kind < ABSENT_SHARE:
            pool = [candidate for candidate in pool if candidate not in line]
        fewest = min(max(FEWEST, len(pool) // 3), most)
        count = fewest + _below(min(len(pool), most) - fewest + 1, generator)
        order = torch.randperm(len(pool), generator=generator)[:count].tolist()
        candidates = [pool[place] for place in order]
        there = [candidate for candidate in pool if candidate in line]
        needs_ancestor = there and not is_absent and not line.intersection(candidates)
        if needs_ancestor and torch.rand((), generator=generator).item() < HELD_SHARE:
            candidates[0] = there[_below(len(there), generator)]
        return candidates


def _below(count: int, generator: torch.Generator) -> int:
    return int(torch.randint(count, (), generator=generator))


def pools_of(models: MixedModels, lines: Lines, part: str) -> dict[str, list[list[str]]]:
    """The pools of candidates of each child of a part in the settings that are trained on.

    They are those of every condition, the models without a parent, and all in these settings that do not descend from
    the child; pools of fewer than two models beside the child and its line are left out, and so are children
    without pools.
    """
    settings = {name: models.settings[name] for name in models.trained}
    children = [child for of_setting in settings.values() for child in of_setting.parents]
    roots = [model for model in models.everyone if model not in models.parents]
    found = {}
    for of_setting in settings.values():
        for child in (child for child in of_setting.parents if of_setting.parts[child] == part):
            older = [model for model in children if child not in lines.ancestors(model)]
            line = {child, *lines.ancestors(child)}
            pools = [*map(list, of_setting.pools), roots, roots + older]
            if pools := [pool for pool in pools if len(set(pool) - line) >= FEWEST]:
                found[child] = pools
    return found
