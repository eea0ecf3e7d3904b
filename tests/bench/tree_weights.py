"""The weights of evidence on a family tree's edges, those of `lineage.genealogy.arborescence`: `make tree-weights`.

    python tests/bench/tree_weights.py results/families

They are fitted on random trees that are trained here, two of each architecture, and on a grown family of seed 0 of
each, whole and with a fifth left out: the likeliest weights, by the probability of all of a family's true edges among
all of its trees. Children that hardly moved are left out of the families: nothing tells them from their parent.
Random trees of a third seed show how often edges are right at `build.SURE`.
"""

import argparse
import hashlib
import pickle
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from scipy.optimize import minimize
from tree_rates import Question, digest_of_file, of_families, thinned

from lineage.auditing.direction import FILE, shipped
from lineage.checkpoints.find import Source
from lineage.families.grow_trees import grow_tree
from lineage.families.plan import ARCHITECTURES
from lineage.families.random_trees import RandomTree
from lineage.genealogy.arborescence import NO_PARENT, Search
from lineage.genealogy.build import SURE
from lineage.genealogy.known import known_of
from lineage.genealogy.reading import read_models
from lineage.index.digest import DigestCache
from lineage.jobs.code_digest import code_of
from lineage.progress import untracked
from lineage.storage.atomic import written_whole

FITTED, HELD_OUT = (6, 7), (8,)
"""Seeds of random trees, beyond those that the model of direction is fitted on."""
COPIES = ("c.one", "c.light", "g.light")
"""Children of grown families that hardly moved, and what was trained from them."""
RIDGE = 0.02
NAMES = ("ANCESTOR", "DESCENDANT", "CONTEST", "DETOUR", "BESIDE", "BELOW_ABOVE", "ABSENT")


@dataclass(frozen=True)
class Case:
    """One family: its possible edges, the evidence on each, and each model's parent or NO_PARENT.

    ancestors: of each model, by places.
    """

    edges: list[tuple[int, int]]
    evidence: np.ndarray
    parents: list[int]
    ancestors: list[set[int]]

    @property
    def true(self) -> np.ndarray:
        """Whether each edge leads from a model's parent."""
        return np.array([self.parents[child] == parent for parent, child in self.edges])

    def searched(self, weights: np.ndarray) -> Search:
        """The search for a tree by some weights, the last that of no parent."""
        return Search(len(self.parents), self.edges, self.evidence @ weights[:-1], absent=float(weights[-1]))

    def log_total(self, weights: np.ndarray) -> float:
        """The log of the sum over all trees, from the determinant."""
        count, scores = len(self.parents), self.evidence @ weights[:-1]
        most = np.full(count, weights[-1])
        np.maximum.at(most, [child for _, child in self.edges], scores)
        laplacian = np.diag(np.exp(weights[-1] - most))
        for (parent, child), score in zip(self.edges, scores, strict=True):
            laplacian[child, child] += np.exp(score - most[child])
            laplacian[parent, child] -= np.exp(score - most[child])
        return float(np.linalg.slogdet(laplacian)[1] + most.sum())


def of_random_trees(folder: Path, seeds: tuple[int, ...]) -> Iterator[Question]:
    """Random trees, whole and with a fifth left out; trains what is not there."""
    for seed in seeds:
        for turn, architecture in enumerate(ARCHITECTURES):
            tree = RandomTree(architecture=architecture, seed=seed)
            grown = folder / code_of(grow_tree.__code__.co_filename) / tree.id
            files = dict(grow_tree(tree, grown, partial(print, flush=True)))
            for case, part in thinned(files, turn):
                yield Question(tree.id, "random trees", architecture, "all", case, tree.parents, part)


def without_copies(question: Question) -> Question:
    """The same question, COPIES left out."""
    files = {model: path for model, path in question.files.items() if model not in COPIES}
    return replace(question, files=files)


@cache
def digest() -> str:
    """Of the code that gives evidence and of the model of direction: what was measured by others is measured anew."""
    together = digest_of_file(FILE) + code_of(known_of.__code__.co_filename) + code_of(__file__)
    return hashlib.sha256(together.encode()).hexdigest()[:16]


def cases_of(question: Question, work: Path) -> list[Case]:
    """The families of a question, as they were measured before or now."""
    path = work / "measured" / digest() / f"{question.name}-{question.case}.pickle".replace(" ", "-")
    if not path.exists():
        found = [case_of(question, files) for files in question.families()]
        path.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(path) as part:
            part.write_bytes(pickle.dumps(found))
        print(question.name, question.case, flush=True)
    return pickle.loads(path.read_bytes())


def case_of(question: Question, files: dict[str, Path]) -> Case:
    """One family's evidence and truth."""
    sources = [Source(id=model, path=str(path)) for model, path in files.items()]
    with TemporaryDirectory() as folder:
        cache = DigestCache(Path(folder))
        models, _ = read_models(sources, cache, tracked=untracked)
        known = known_of(models, cache, shipped(), follow=False)
    assert known is not None
    edges, evidence = known.edges()
    place = {model.id: number for number, model in enumerate(models)}
    return Case(
        edges=edges,
        evidence=evidence,
        parents=[place.get(question.truth(model), NO_PARENT) for model in place],
        ancestors=[
            {place[above] for above in question.line_of_descent(model)[1:] if above in place}
            for model in place
        ],
    )


def fitted(cases: list[Case]) -> np.ndarray:
    """The likeliest weights, by the exact likelihood of trees and its gradient."""

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        total, slope = RIDGE * float(weights @ weights), 2 * RIDGE * weights
        for case in cases:
            edges, alone = case.searched(weights).probabilities()
            chosen = case.evidence[case.true]
            without = len(case.parents) - len(chosen)
            total += (
                case.log_total(weights) - float((chosen @ weights[:-1]).sum()) - float(weights[-1]) * without
            )
            slope[:-1] += np.array(list(edges.values())) @ case.evidence - chosen.sum(0)
            slope[-1] += alone.sum() - without
        return total, slope

    return minimize(loss, np.zeros(len(NAMES)), jac=True, method="L-BFGS-B").x


def outcomes(cases: list[Case], weights: np.ndarray) -> Counter:
    """How many edges are right, undetermined, of a wrong direction, of a wrong parent."""
    found: Counter = Counter()
    for case in cases:
        search = case.searched(weights)
        parents, (probability, _) = search.best(), search.probabilities()
        for child, truth in enumerate(case.parents):
            parent = parents[child]
            if parent == NO_PARENT or probability[parent, child] < SURE:
                found["undetermined"] += truth != NO_PARENT
            elif parent == truth:
                found["right"] += 1
            else:
                found["wrong direction" if child in case.ancestors[parent] else "wrong parent"] += 1
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("families", type=Path, help="what `make bench-verdicts` grew, of seed 0 at least")
    parser.add_argument("--work", type=Path, default=Path("results/trees/weights"))
    settings = parser.parse_args()
    of_grown = [without_copies(question) for question in of_families(settings.families, [0], 1, None)]
    of_random = list(of_random_trees(settings.work, FITTED))
    cases = [case for question in [*of_random, *of_grown] for case in cases_of(question, settings.work)]
    weights = fitted(cases)
    for name, weight in zip(NAMES, weights, strict=True):
        print(f"{name} {weight:.2f}")
    held_out = [
        case
        for question in of_random_trees(settings.work, HELD_OUT)
        for case in cases_of(question, settings.work)
    ]
    for name, group in (("fitted on", cases), ("random trees of another seed", held_out)):
        found = outcomes(group, weights)
        shares = ", ".join(f"{what} {100 * count / found.total():.1f} %" for what, count in found.items())
        print(f"{name}: {shares} of {found.total()} edges at {SURE}")


if __name__ == "__main__":
    main()
