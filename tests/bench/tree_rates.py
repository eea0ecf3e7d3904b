"""How often edges of family trees are right, beside four rivals; `make bench-tree` calls it on grown families.

    python tests/bench/tree_rates.py results/families --seeds 3 4 --each 1 --out results/reference/bench/tree.parquet

Every family is drawn whole, and again with a fifth of its models left out at random. An edge is right if it is
directed and leads from a model's nearest ancestor among the files; models without one count only if they are given
one. Where the model's own parent was left out, an open node above it is right as well.
"""

import argparse
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import networkx as nx
import numpy as np
import pandas as pd
from safetensors.numpy import load_file
from scipy.stats import kurtosis

from lineage.auditing.direction import read_model, shipped
from lineage.auditing.stages.thirds.passing import Direction
from lineage.checkpoints.find import Source
from lineage.families.cases.changes import matrices
from lineage.families.cases.tree import PARENT_OF, line_of_descent
from lineage.genealogy.run import tree_of
from lineage.index.digest import DigestCache
from lineage.results.intervals import clustered_interval
from lineage.storage.family_schemas import BENCH
from lineage.storage.parquet import write_table

LEFT_OUT = 0.2
OURS = "lineage tree"
UNDECIDED = ("", False)
Answer = tuple[str, bool]
"""A model's parent, "" for none here; and whether the edge is directed."""
OUTCOMES = {
    "directed edge right": None, "wrong direction": "<= 1%", "wrong parent": "<= 3%", "undetermined": None
}  # fmt: skip
WANTED = {"all models": ">= 95%", "a fifth left out": ">= 95%"}


@dataclass(frozen=True)
class Question:
    """Some models of a family: their files; truth: each one's nearest ancestor among them, "" if there is none."""

    family: str
    architecture: str
    optimiser: str
    case: str
    files: dict[str, Path]

    @property
    def truth(self) -> dict[str, str]:
        return {
            model: next((above for above in line_of_descent(model)[1:] if above in self.files), "")
            for model in self.files
        }

    def is_gone(self, model: str) -> bool:
        parent = PARENT_OF[model]
        return parent is not None and parent not in self.files


def questions(folder: Path, seeds: list[int], each: int) -> Iterator[Question]:
    """Whole families and thinned ones, `each` of an architecture and seed, the optimisers taking turns."""
    groups = sorted(group for group in folder.iterdir() if group.name.rpartition("-")[2].isdigit())
    for turn, group in enumerate(groups):
        architecture, _, seed = group.name.rpartition("-")
        if int(seed) not in seeds:
            continue
        families = sorted(path for path in group.iterdir() if path.is_dir())
        for place in range(each):
            family = families[(turn + place) % len(families)]
            optimiser = family.name.removeprefix(f"{architecture}-").rpartition("-")[0]
            files = {path.stem: path for path in sorted(family.glob("*.safetensors"))}
            draw = np.random.default_rng(turn)
            stay = sorted(draw.permutation(len(files))[: round(len(files) * (1 - LEFT_OUT))])
            names = list(files)
            thinned = {names[number]: files[names[number]] for number in stay}
            for case, chosen in (("all models", files), ("a fifth left out", thinned)):
                yield Question(family.name, architecture, optimiser, case, chosen)


def ours(question: Question, direction: Direction) -> tuple[dict[str, Answer], set[str]]:
    """Each model's parent, and the models above which an open node stands."""
    sources = [Source(id=model, path=str(path)) for model, path in question.files.items()]
    with TemporaryDirectory() as cache:
        found = tree_of("", sources, DigestCache(Path(cache)), direction)
    open_nodes = {node.id for node in found.nodes if node.is_open}
    answers: dict[str, Answer] = dict.fromkeys(question.files, UNDECIDED)
    for edge in found.edges:
        if edge.parent not in open_nodes:
            answers[edge.child] = (edge.parent, edge.is_directed)
    return answers, {edge.child for edge in found.edges if edge.parent in open_nodes}


class Weights:
    """The matrices of some models that all of them have, for the rivals."""

    def __init__(self, files: dict[str, Path]):
        self.names = list(files)
        states = [matrices(load_file(path)) for path in files.values()]
        shared = [
            name
            for name, values in states[0].items()
            if all(name in state and state[name].shape == values.shape for state in states)
        ]
        self._states, self._shared = states, shared
        flat = np.stack([np.concatenate([state[name].ravel() for name in shared]) for state in states])
        self.products = flat.astype(np.float64) @ flat.T.astype(np.float64)

    @property
    def distances(self) -> np.ndarray:
        """‖X_i − X_j‖²."""
        sizes = np.diagonal(self.products)
        return np.maximum(sizes[:, None] + sizes - 2 * self.products, 0.0)

    @property
    def kurtoses(self) -> np.ndarray:
        """Of each model, summed over its matrices."""
        return np.array(
            [sum(kurtosis(state[name], axis=None) for name in self._shared) for state in self._states]
        )


def of_chance(weights: Weights, seed: int) -> dict[str, Answer]:
    """Any other model."""
    draw = np.random.default_rng(seed)
    others = {name: [model for model in weights.names if model != name] for name in weights.names}
    return {name: (str(draw.choice(models)), True) for name, models in others.items()}


def of_distance(weights: Weights) -> dict[str, Answer]:
    """A minimum spanning arborescence of squared distances, from the most central model."""
    root = int(weights.distances.sum(1).argmin())
    return arborescence(weights, weights.distances, root)


def of_kurtosis(weights: Weights) -> dict[str, Answer]:
    """MoTHer: distances, and a penalty on edges towards a smaller kurtosis: specialising raises it.

    A minimum directed spanning tree of D + λT, T_ij = 1 where i's kurtosis is above j's, λ a share of the mean of D
    (Horwitz, Shul & Hoshen 2024, arXiv:2405.18432).
    """
    kurtoses = weights.kurtoses
    against = kurtoses[:, None] > kurtoses[None, :]
    return arborescence(weights, weights.distances + 0.3 * weights.distances.mean() * against, None)


def of_outgroup(weights: Weights, outgroup: Weights) -> dict[str, Answer]:
    """The minimum spanning tree, rooted at the model nearest to an unrelated one (outgroup rooting)."""
    root = int(outgroup.distances[0, 1:].argmin())
    found = nx.minimum_spanning_tree(nx.from_numpy_array(weights.distances + 1e-12))
    parents = {child: parent for parent, child in nx.bfs_edges(found, root)}
    return {
        name: (weights.names[parents[place]], True) if place in parents else ("", True)
        for place, name in enumerate(weights.names)
    }


def arborescence(weights: Weights, costs: np.ndarray, root: int | None) -> dict[str, Answer]:
    """The minimum spanning arborescence, from a root or any."""
    graph = nx.DiGraph()
    for parent, child in np.ndindex(costs.shape):
        if parent != child and child != root:
            graph.add_edge(parent, child, weight=float(costs[parent, child]) + 1e-12)
    parents = {child: parent for parent, child in nx.minimum_spanning_arborescence(graph).edges}
    return {
        name: (weights.names[parents[place]], True) if place in parents else ("", True)
        for place, name in enumerate(weights.names)
    }


def outcome(question: Question, model: str, answer: Answer, *, is_open: bool) -> str | None:
    """What an answer is; None where a model without an ancestor here is given none."""
    truth, (named, is_directed) = question.truth, answer
    if is_open and question.is_gone(model):
        return "directed edge right"
    if not named:
        return "undetermined" if truth[model] else None
    if not is_directed:
        return "undetermined"
    if named == truth[model]:
        return "directed edge right"
    return "wrong direction" if model in line_of_descent(named)[1:] else "wrong parent"


def answered(question: Question, direction: Direction, stranger: Path) -> Iterator[tuple[str, str, str]]:
    """Method, model and outcome of all methods."""
    found, open_above = ours(question, direction)
    related = {model: path for model, path in question.files.items() if model != "scratch"}
    weights = Weights(related)
    methods = {
        OURS: found,
        "chance": of_chance(weights, 0),
        "weight distance, arborescence": of_distance(weights),
        "MoTHer's kurtosis rule": of_kurtosis(weights),
        "outgroup rule": of_outgroup(weights, Weights({"outgroup": stranger} | related)),
    }
    for method, answers in methods.items():
        for model in related:
            is_open = method == OURS and model in open_above
            said = outcome(question, model, answers.get(model, UNDECIDED), is_open=is_open)
            if said is not None:
                yield method, model, said


def results_of(settings: argparse.Namespace, question: Question) -> list[dict]:
    """A row for each method and model."""
    given = settings.direction
    direction = read_model(given / f"{question.architecture}.npz") if given else shipped()
    stranger = next(settings.families.glob(f"*/{question.family}/scratch.safetensors"))
    return [
        {"family": question.family, "architecture": question.architecture, "optimiser": question.optimiser,
         "case": question.case, "method": method, "model": child, "outcome": said}
        for method, child, said in answered(question, direction, stranger)
    ]  # fmt: skip


def rows_of(results: pd.DataFrame, fitted_on: str) -> Iterator[dict]:
    """The table of results: every method's outcomes, over all and by architecture for ours."""
    parts = [({"architecture": "all", "optimiser": "all"}, results)]
    for column, rest in (("architecture", "optimiser"), ("optimiser", "architecture")):
        own = results[results["method"] == OURS]
        parts += [({column: value, rest: "all"}, part) for value, part in own.groupby(column)]
    for by, part in parts:
        for (case, method), rows in part.groupby(["case", "method"]):
            for name, most in OUTCOMES.items():
                hits = (rows["outcome"] == name).to_numpy()
                low, high = clustered_interval(hits, rows["family"])
                wanted = most or (WANTED[case] if name == "directed edge right" else None)
                wanted = wanted if method == OURS else None
                share = float(hits.mean())
                met = None if wanted is None else _is_met(wanted, share)
                yield by | {"case": f"{case}: {method}", "metric": name, "value": share, "low": low, "high": high,
                            "n": len(rows), "wanted": wanted, "met": met, "fitted_on": fitted_on}  # fmt: skip


def _is_met(wanted: str, share: float) -> bool:
    sign, bound = wanted.split()
    limit = float(bound.rstrip("%")) / 100
    return share >= limit if sign == ">=" else share <= limit


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("families", type=Path, help="what `make bench-verdicts` grew")
    parser.add_argument("--seeds", type=int, nargs="+", default=[3, 4])
    parser.add_argument("--each", type=int, default=1, help="families of an architecture and seed")
    parser.add_argument("--first", type=int, help="so many of these families, the smallest; by default all")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument(
        "--direction", type=Path, help="a folder with a model of direction for each architecture"
    )
    parser.add_argument("--out", type=Path, required=True)
    settings = parser.parse_args()
    if not settings.families.is_dir():
        parser.error(f"{settings.families}: expected grown families; run `make bench-verdicts` first")
    fitted_on = "the other architectures" if settings.direction else shipped().fitted_on
    asked = sorted(questions(settings.families, settings.seeds, settings.each), key=bytes_of_family)
    asked = asked[: 2 * settings.first] if settings.first else asked
    results, rows = [], []
    with ProcessPoolExecutor(settings.jobs) as workers:
        for question, found in zip(asked, workers.map(partial(results_of, settings), asked), strict=True):
            results += found
            mine = [row["outcome"] for row in found if row["method"] == OURS]
            counts = ", ".join(f"{mine.count(name)} {name}" for name in OUTCOMES)
            print(f"{question.family}, {question.case}: {counts}", file=sys.stderr, flush=True)
            rows = list(rows_of(pd.DataFrame(results), fitted_on))
            write_table(settings.out, rows, BENCH, ["case", "metric", "architecture", "optimiser"])
    show(pd.DataFrame(rows), len({row["family"] for row in results}))


def bytes_of_family(question: Question) -> int:
    """Small families come first: the table is written after each."""
    (folder,) = {path.parent for path in question.files.values()}
    return sum(path.stat().st_size for path in folder.glob("*.safetensors"))


def show(rows: pd.DataFrame, families: int) -> None:
    """Prints shares in per cent by case, and ours by architecture and by optimiser."""
    rows = rows.assign(percent=(100 * rows["value"]).round(1))
    overall = rows[(rows["architecture"] == "all") & (rows["optimiser"] == "all")]
    print(f"{families} families, per cent of models with an ancestor among the files")
    for column, part in (("case", overall), ("architecture", rows), ("optimiser", rows)):
        part = part if column == "case" else part[part[column] != "all"]
        if len(part):
            keys = ["case"] if column == "case" else ["case", column]
            shown = part.pivot_table(index=[*keys, "n"], columns="metric", values="percent")
            print(shown[list(OUTCOMES)].reset_index().to_markdown(index=False), end="\n\n")


if __name__ == "__main__":
    main()
