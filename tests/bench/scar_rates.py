"""How often scars and mixtures say what is true, on small networks that are trained here.

    python tests/bench/scar_rates.py [fitted unseen] [--seeds 5]

`fitted`: the architectures and seeds on which the bounds were set; `unseen`: others. Minutes.
"""

import argparse
import itertools
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from small_training import FITTED, UNSEEN, State, matrices_of, train

from lineage.progress import tracked
from lineage.relation.mixture import Mixture, mixture
from lineage.relation.scars.scar import Later, Scar, no_ancestors, source_of
from lineage.relation.scars.search import ScarSearch
from lineage.results.intervals import clustered_interval

sys.path.append(str(Path(__file__).parents[1] / "unit"))
from scarred_copies import CHANGES, copy_of

STARTS = ("pruned 50 %", "without rows", "int8 by row", "nf4", "bf16")
"""Changed copies that children are trained from, without caring for zeros and grids."""
TRAINING = {"at full rate": (1.0, 3), "at a third": (0.3, 2), "at a tenth": (0.1, 1)}
Result = tuple[str, bool, float]
"""Of one case: its line of the table, whether it is right, and what is left of a mixture."""


class Family:
    """A root, its children P and S, C and a light child of P, six children of C, and an independent U."""

    def __init__(self, build, optimizer: str, seed: int):
        def trained(start: State | None, task: int, epochs: int, strength: float = 1.0) -> State:
            return train(
                build, start, 1000 * seed + task, epochs=epochs, optimizer=optimizer, strength=strength
            )

        self.trained = trained
        self.root, self.unrelated = trained(None, 0, 8), trained(None, 5, 8)
        self.parent, self.sibling = trained(self.root, 1, 4), trained(self.root, 2, 4)
        self.child, self.light = trained(self.parent, 3, 4), trained(self.parent, 4, 1, 0.1)
        self.descendants = [trained(self.child, 10 + number, 2) for number in range(6)]


def scars_of(candidate: State, child: State) -> list[Scar]:
    search = ScarSearch()
    for name in matrices_of(child):
        search.look(candidate[name], child[name])
    return search.scars()


def of_copies(family: Family) -> Iterator[Result]:
    for change in CHANGES:
        copy, of_parent = copy_of(family.child, change), copy_of(family.parent, change)
        scars = scars_of(copy, family.child)
        is_right = source_of(scars) is Later.CHILD and no_ancestors(scars) == {Later.CANDIDATE}
        yield f"source known of its copy: {change}", is_right, np.nan
        back = scars_of(family.child, copy)
        yield "the same scars the other way round", turned(back) == [scar_key(scar) for scar in scars], np.nan
        for child in (family.child, family.light, family.sibling):
            yield (
                "of a relative and a copy of another, the relative is not barred",
                Later.CHILD not in no_ancestors(scars_of(of_parent, child)),
                np.nan,
            )


def scar_key(scar: Scar) -> tuple:
    return scar.kind, scar.later, scar.forbids, scar.is_copy


def turned(scars: list[Scar]) -> list[tuple]:
    return sorted((scar.kind, scar.later.earlier, scar.forbids, scar.is_copy) for scar in scars)


def of_training(family: Family) -> Iterator[Result]:
    for change in STARTS:
        start = copy_of(family.parent, change)
        for words, (strength, epochs) in TRAINING.items():
            child = family.trained(start, 50, epochs, strength)
            yield f"nothing barred of a child of a changed copy, {words}", not scars_of(start, child), np.nan
            yield (
                "nothing barred of a low-rank child of a changed copy",
                not scars_of(start, of_low_rank(start, child)),
                np.nan,
            )
    plain = [family.root, family.parent, family.sibling, family.child, family.light, *family.descendants[:2]]
    for candidate in plain:
        for child in plain:
            if candidate is not child:
                yield (
                    "no scars between relatives that only training changed",
                    not scars_of(candidate, child),
                    np.nan,
                )


def of_low_rank(start: State, child: State, rank: int = 4) -> State:
    """The start with the strongest directions of a child's change alone, as LoRA merges them."""
    found = dict(start)
    for name in matrices_of(start):
        change = (child[name] - start[name]).reshape(len(child[name]), -1)
        left, strengths, right = np.linalg.svd(change, full_matrices=False)
        low = (left[:, :rank] * strengths[:rank]) @ right[:rank]
        found[name] = (start[name] + low.reshape(start[name].shape)).astype(np.float32)
    return found


def of_mixtures(family: Family) -> Iterator[Result]:
    root, parent, sibling, child, unrelated = (
        flat(state) for state in (family.root, family.parent, family.sibling, family.child, family.unrelated)
    )
    descendants = [flat(state) for state in family.descendants]
    for other, words in ((sibling, "a sibling"), (unrelated, "an unrelated network")):
        for share in (0.5, 0.3, 0.1):
            merge = (1 - share) * parent + share * other
            yield merged(f"a merge of the parent and {words} found", merge, [parent, other, root], share)
            yield not_led(f"{words} of a merge does not lead", merge, [parent, other, root])
    change = descendants[0] - child
    for part in (0.1, 0.3):
        merge = (parent + sibling) / 2 + part * change
        yield merged(
            f"a merge that moved on by {part} of a child's change found", merge, [parent, sibling, root], 0.5
        )
    for words, candidates in {
        "6 descendants": descendants,
        "2 descendants": descendants[:2],
        "parent and descendant": [parent, descendants[0]],
        "parent, root and sibling": [parent, root, sibling],
        "root, parent and 6 descendants": [root, parent, *descendants],
    }.items():
        found = mixed(child, candidates)
        yield f"no merge: {words}", not found.is_merge, found.left
    found = mixed(descendants[0], [child, *descendants[1:]])
    yield "no merge: parent and 5 siblings", not found.is_merge, found.left


def flat(state: State) -> np.ndarray:
    return np.concatenate([state[name].ravel() for name in matrices_of(state)]).astype(np.float64)


def mixed(child: np.ndarray, candidates: list[np.ndarray]) -> Mixture:
    columns = np.stack(candidates)
    names = [str(number) for number in range(len(candidates))]
    return mixture(names, columns @ columns.T, columns @ child, float(child @ child))


def merged(line: str, child: np.ndarray, candidates: list[np.ndarray], share: float) -> Result:
    """Whether a merge of the leading two candidates is found, and the second one's share is known to 2 %."""
    found = mixed(child, candidates)
    return line, found.is_merge and abs(found.weights["1"] - share) <= 0.02, found.left


def not_led(line: str, child: np.ndarray, candidates: list[np.ndarray]) -> Result:
    found = mixed(child, candidates)
    return line, found.weights["1"] <= found.weights["0"] + 1e-3, found.left


def measured(builds: dict, seeds: range, words: str) -> dict[str, list[tuple[bool, float, str]]]:
    """Of each line, the results of every family: right or not, what is left, and the family."""
    lines = defaultdict(list)
    cases = list(itertools.product(builds, ("sgd", "adamw"), seeds))
    for architecture, optimizer, seed in tracked(cases, f"families, {words}", say):
        family = Family(builds[architecture], optimizer, seed)
        for stage in (of_copies, of_training, of_mixtures):
            for line, is_right, left in stage(family):
                lines[line].append((is_right, left, f"{architecture} {optimizer} {seed}"))
    return lines


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("zoos", nargs="*", default=["fitted", "unseen"])
    parser.add_argument("--seeds", type=int, default=5)
    settings = parser.parse_args()
    torch.set_num_threads(1)
    for zoo in settings.zoos:
        builds, start = {"fitted": (FITTED, 0), "unseen": (UNSEEN, 100)}[zoo]
        table = Table("case", "right", "n", "95 % interval, %", "left", title=f"{zoo}: {', '.join(builds)}")
        for line, results in measured(builds, range(start, start + settings.seeds), zoo).items():
            hits, left, families = zip(*results, strict=True)
            low, high = clustered_interval(hits, families)
            spread = "" if np.isnan(left).all() else f"{min(left):.3f} … {max(left):.3f}"
            table.add_row(line, str(sum(hits)), str(len(hits)), f"{100 * low:.1f} … {100 * high:.1f}", spread)
        Console(width=140).print(table)


if __name__ == "__main__":
    main()
