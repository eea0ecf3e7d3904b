"""How often independent networks are called dependent, and relatives found, under other names and layouts.

    python tests/bench/pairing_rates.py [results/families]

takes the grown families of `make bench-verdicts`. Independent are roots, and networks trained from scratch, of other
seeds; relatives are children of a root. Each is audited as it is stored and in the spellings below. Minutes.
"""

import itertools
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from lineage.auditing.pair_tests import ChildSketches
from lineage.auditing.stages.candidates import Candidate
from lineage.auditing.stages.child import Child
from lineage.auditing.stages.testing import candidate_of
from lineage.checkpoints.checkpoint import Checkpoint, Entry
from lineage.checkpoints.find import Source
from lineage.checkpoints.plain.form import open_plain_model
from lineage.index.digest import Digest, digest_of
from lineage.results.intervals import wilson_interval

LEVEL = -2.0
"""log10 p of dependence: one pair in a hundred that is independent, at most."""
CHILDREN = ("c.sgd",)


def turned(entry: Entry) -> Entry:
    """A matrix stored the other way round."""
    if len(entry.shape) != 2:
        return entry
    return Entry(entry.shape[::-1], entry.dtype, lambda: np.asarray(entry.load()).T)


def without_names(entries: dict[str, Entry]) -> dict[str, Entry]:
    return {f"tensor_{number}": entry for number, entry in enumerate(entries.values())}


SPELLINGS: dict[str, Callable[[dict[str, Entry]], dict[str, Entry]]] = {
    "as stored": dict,
    "without names, backwards": lambda entries: without_names(dict(reversed(entries.items()))),
    "without names, transposed": lambda entries: without_names(
        {name: turned(entry) for name, entry in entries.items()}
    ),
}


class Network:
    """A network of a family, and its digest in each spelling."""

    def __init__(self, path: Path):
        self.path = path
        self._digests: dict[str, tuple[Checkpoint, Digest]] = {}

    def spelt(self, spelling: str) -> tuple[Checkpoint, Digest]:
        if spelling not in self._digests:
            model = open_plain_model(self.path)
            model = replace(model, entries=SPELLINGS[spelling](model.entries))
            self._digests[spelling] = model, digest_of(model)
        return self._digests[spelling]


def tested(child: Network, candidate: Network, spelling: str) -> Candidate:
    model, digest = child.spelt(spelling)
    source = Source(id="candidate", path=str(candidate.path))
    return candidate_of(
        Child("child", model, digest),
        ChildSketches(model, digest),
        source,
        candidate.spelt("as stored")[1],
        is_alone=True,
    )


def pairs_of(families: Path) -> Iterator[tuple[str, str, Network, Network]]:
    """Architecture, kind of pair, child and candidate."""
    kinds: dict[tuple[str, str], dict[int, Path]] = defaultdict(dict)
    for path in sorted(families.glob("*/*/root.safetensors")):
        architecture, optimiser, seed = path.parent.name.rsplit("-", 2)
        kinds[architecture, optimiser][int(seed)] = path.parent
    for (architecture, _), folders in sorted(kinds.items()):
        roots = {seed: Network(folder / "root.safetensors") for seed, folder in folders.items()}
        for one, two in itertools.combinations(roots, 2):
            yield architecture, "independent", roots[one], roots[two]
        for seed, folder in folders.items():
            yield architecture, "independent", Network(folder / "scratch.safetensors"), roots[seed]
            for name in CHILDREN:
                yield architecture, "relatives", Network(folder / f"{name}.safetensors"), roots[seed]


def main(families: Path = Path("results/families")) -> None:
    counts: dict[tuple[str, str, str], Counter] = defaultdict(Counter)
    for architecture, kind, child, candidate in pairs_of(families):
        for spelling in SPELLINGS:
            found = tested(child, candidate, spelling)
            counts[architecture, kind, spelling][bool(found.tests) and found.log10_p <= LEVEL] += 1
    table = Table("architecture", "pairs", "spelling", "dependent", "n", "95 % of independent cases")
    for total in ("independent", "relatives"):
        for spelling in SPELLINGS:
            for (_, kind, name), counted in list(counts.items()):
                if (kind, name) == (total, spelling):
                    counts["all", kind, name].update(counted)
    for (architecture, kind, spelling), counted in counts.items():
        n = counted.total()
        low, high = wilson_interval(counted[True] / n, n)
        table.add_row(
            architecture, kind, spelling, f"{counted[True] / n:.1%}", str(n), f"{low:.1%} … {high:.1%}"
        )
    Console(width=110).print(table)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
