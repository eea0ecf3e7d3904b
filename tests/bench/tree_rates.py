"""How often edges and merges of family trees are right, beside four rivals; `make bench-tree` calls it.

    python tests/bench/tree_rates.py results/families --first 6 --out results/reference/bench/tree.parquet

Three kinds of zoos: the families of `make bench-verdicts`, a network of 300 models, and 56 small trees (`tree_zoos`).
Every one is drawn whole, and again with a fifth of its models left out at random. An edge is right if it is directed
and leads from a model's nearest ancestor among the files; models without one count only if they are given one. Where
the model's own parent was left out, an open node above it is right as well. A wrong parent is far if it differs from
the own one by more than audits resolve: 0.35 of what the child changed. Rivals are told which models are related.
The large families of the 300 models are looked at one at a time, each beside the first models of the others.

What was measured lies in the folder of `--work` until code or the model of direction changes; a stopped run goes on.
"""

import argparse
import hashlib
import inspect
import json
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import tree_merges
import tree_rivals
import tree_tables
import tree_zoos
from safetensors.numpy import load_file
from threadpoolctl import threadpool_limits
from tree_rivals import Answer, rivals
from tree_zoos import Zoo, grown, many_trees, three_hundred

from lineage.auditing.direction import FILE, read_model, shipped
from lineage.auditing.stages.thirds.passing import Direction
from lineage.checkpoints.find import Source
from lineage.families.cases.changes import matrices
from lineage.families.cases.tree import PARENT_OF
from lineage.genealogy.run import tree_of
from lineage.index.digest import DigestCache
from lineage.jobs.code_digest import code_of
from lineage.relation.direction.estimate import RESOLUTION
from lineage.storage.atomic import written_whole

LEFT_OUT = 0.2
UNDECIDED = ("", False)


@dataclass(frozen=True)
class Question:
    """Some models of a zoo.

    name: of the zoo, or of the family; kind: of zoo; parents: of all its models, also of those left out.
    """

    name: str
    kind: str
    architecture: str
    optimiser: str
    case: str
    parents: Mapping[str, str | None]
    files: dict[str, Path]

    def line_of_descent(self, model: str) -> list[str]:
        """The model, its parent, its grandparent, ..."""
        found = [model]
        while (parent := self.parents[found[-1]]) is not None:
            found.append(parent)
        return found

    def truth(self, model: str) -> str:
        """The nearest ancestor among the files, "" if there is none."""
        return next((above for above in self.line_of_descent(model)[1:] if above in self.files), "")

    def is_gone(self, model: str) -> bool:
        """Whether a model has a parent that was left out."""
        parent = self.parents[model]
        return parent is not None and parent not in self.files

    def families(self) -> list[dict[str, Path]]:
        """The files by family, of two and more."""
        found: dict[str, dict[str, Path]] = {}
        for model, path in self.files.items():
            found.setdefault(self.line_of_descent(model)[-1], {})[model] = path
        return [files for files in found.values() if len(files) > 1]


def of_families(folder: Path, seeds: list[int], each: int, first: int | None) -> Iterator[Question]:
    """Grown families, `each` of an architecture and seed, the optimisers taking turns; the `first` smallest ones."""
    groups = sorted(group for group in folder.iterdir() if group.name.rpartition("-")[2].isdigit())
    chosen = []
    for turn, group in enumerate(groups):
        architecture, _, seed = group.name.rpartition("-")
        families = sorted(path for path in group.iterdir() if path.is_dir())
        if int(seed) in seeds:
            chosen += [
                (families[(turn + place) % len(families)], architecture, turn) for place in range(each)
            ]
    chosen.sort(key=lambda family: sum(path.stat().st_size for path in family[0].glob("*.safetensors")))
    for family, architecture, turn in chosen[:first]:
        optimiser = family.name.removeprefix(f"{architecture}-").rpartition("-")[0]
        files = {path.stem: path for path in sorted(family.glob("*.safetensors"))}
        for case, part in thinned(files, turn):
            yield Question(family.name, "families", architecture, optimiser, case, PARENT_OF, part)


def of_zoo(zoo: Zoo, folder: Path) -> Iterator[Question]:
    """A zoo that is trained here if it is not there yet, in the pieces that it is measured in."""
    files = dict(sorted(grown(zoo, folder / zoo.name.replace(" ", "-"))))
    for name, models in zoo.pieces().items():
        piece = {model: path for model, path in files.items() if model in models}
        for case, part in thinned(piece, len(piece)):
            yield Question(name, zoo.name, zoo.architecture, "all", case, zoo.parents, part)


def thinned(files: dict[str, Path], seed: int) -> Iterator[tuple[str, dict[str, Path]]]:
    """All files, and those that stay when a fifth is left out."""
    draw, names = np.random.default_rng(seed), list(files)
    stay = sorted(draw.permutation(len(files))[: round(len(files) * (1 - LEFT_OUT))])
    yield "all models", files
    yield "a fifth left out", {names[number]: files[names[number]] for number in stay}


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


def outcome(question: Question, model: str, answer: Answer, *, is_open: bool) -> str | None:
    """What an answer is; None where a model without an ancestor here is given none."""
    truth, (named, is_directed) = question.truth(model), answer
    if is_open and question.is_gone(model):
        return "directed edge right"
    if not named:
        return "undetermined" if truth else None
    if not is_directed:
        return "undetermined"
    if named == truth:
        return "directed edge right"
    return "wrong direction" if model in question.line_of_descent(named)[1:] else "wrong parent"


def is_near(question: Question, model: str, named: str) -> bool:
    """Whether a model is told from the own parent of another one by at most RESOLUTION of what that one changed."""
    parent = question.parents[model]
    if parent is None:
        return False
    folder = question.files[model].parent
    child, own, other = (
        matrices(load_file(folder / f"{name}.safetensors")) for name in (model, parent, named)
    )
    moved, apart = (
        sum(float(((end[name] - own[name]) ** 2).sum()) for name in own) for end in (child, other)
    )
    return apart <= RESOLUTION**2 * moved


def edges_of(settings: argparse.Namespace, question: Question) -> list[dict]:
    """A row for each method and model."""
    answers, open_above = ours(question, direction_of(settings, question.architecture))
    methods = {tree_tables.OURS: answers}
    for seed, files in enumerate(question.families()):
        strangers = set(question.files.values()) - set(files.values())
        stranger = min(strangers) if strangers else next(iter(files.values())).parent / "scratch.safetensors"
        for method, found in rivals(files, stranger, seed).items():
            methods.setdefault(method, {}).update(found)
    rows = []
    for method, found in methods.items():
        for model in question.files:
            is_open = method == tree_tables.OURS and model in open_above
            said = outcome(question, model, found.get(model, UNDECIDED), is_open=is_open)
            if said is not None and (method == tree_tables.OURS or model in found):
                is_wrong = said.startswith("wrong") and method == tree_tables.OURS
                is_far = is_wrong and not is_near(question, model, found[model][0])
                rows.append({"method": method, "model": model, "outcome": said, "is_far": is_far})
    same = {
        "family": question.name, "kind": question.kind, "architecture": question.architecture,
        "optimiser": question.optimiser, "case": question.case,
    }  # fmt: skip
    return [row | same for row in rows]


def merges_in(settings: argparse.Namespace, question: Question, *, with_base: bool) -> list[dict]:
    """A row for each merge of a family's networks."""
    direction = direction_of(settings, question.architecture)
    family = next(iter(question.files.values())).parent
    same = {"family": question.name, "architecture": question.architecture}
    with TemporaryDirectory() as folder, TemporaryDirectory() as cache:
        found = tree_merges.answered(family, Path(folder), Path(cache), direction, with_base=with_base)
        return [row | same for row in found]


def direction_of(settings: argparse.Namespace, architecture: str) -> Direction:
    """The model of direction, one that has not seen the architecture if there is such a one."""
    given = settings.direction
    return read_model(given / f"{architecture}.npz") if given else shipped()


def place_of(settings: argparse.Namespace, name: str, question: Question) -> Path:
    """Where what was measured of a job lies: in another folder for other code or another model of direction."""
    given = settings.direction
    direction = given / f"{question.architecture}.npz" if given else FILE
    digest = hashlib.sha256((digest_of_code() + digest_of_file(direction)).encode()).hexdigest()[:16]
    return settings.work / "measured" / digest / f"{name}.json"


@cache
def digest_of_code() -> str:
    """Of the modules of this bench and of what they reach."""
    modules = [__file__, *(module.__file__ for module in (tree_merges, tree_rivals, tree_zoos))]
    modules.append(inspect.getfile(tree_merges.recipe_of))
    return " ".join(map(code_of, modules))


def digest_of_file(path: Path) -> str:
    """Of a file's bytes."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def measured(settings: argparse.Namespace, job: tuple[str, Question, bool | None]) -> tuple[str, list[dict]]:
    """What was measured of one job before, or now."""
    name, question, with_base = job
    path = place_of(settings, name, question)
    if not path.exists():
        found = (
            edges_of(settings, question)
            if with_base is None
            else merges_in(settings, question, with_base=with_base)
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(path) as part:
            part.write_text(json.dumps(found))
    return name, json.loads(path.read_text())


def jobs_of(settings: argparse.Namespace) -> Iterator[tuple[str, Question, bool | None]]:
    """Each job's name, its question, and of merges whether their base is among the models."""
    of_grown = list(of_families(settings.families, settings.seeds, settings.each, settings.first))
    for question in [question for question in of_grown if question.case == "all models"][: settings.merge]:
        for with_base in (True, False):
            yield f"merges-{question.name}-{'' if with_base else 'no-'}base", question, with_base
    zoos = [
        of_zoo(zoo, settings.work) for zoo in (many_trees(), three_hundred()) if zoo.name in settings.zoos
    ]
    for question in [*of_grown, *(question for zoo in zoos for question in zoo)]:
        yield f"edges-{question.name}-{question.case}".replace(" ", "-"), question, None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("families", type=Path, help="what `make bench-verdicts` grew")
    parser.add_argument("--seeds", type=int, nargs="+", default=[3, 4])
    parser.add_argument("--each", type=int, default=1, help="families of an architecture and seed")
    parser.add_argument("--first", type=int, help="so many of these families, the smallest; by default all")
    parser.add_argument("--merge", type=int, help="networks of so many of them are merged; by default of all")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--direction", type=Path, help="a folder with a model of direction an architecture")
    parser.add_argument(
        "--zoos", nargs="*", default=["56 trees", "300 networks"], help="that are trained here"
    )
    parser.add_argument("--work", type=Path, default=Path("results/trees"))
    parser.add_argument("--most", type=int, help="so many zoos more, then stop; by default all")
    parser.add_argument(
        "--so-far", action="store_true", help="measure nothing more: the table is of what has been measured"
    )
    parser.add_argument("--out", type=Path, required=True)
    settings = parser.parse_args()
    if not settings.families.is_dir():
        parser.error(f"{settings.families}: expected grown families; run `make bench-verdicts` first")
    jobs = list(jobs_of(settings))
    left = [job for job in jobs if not place_of(settings, *job[:2]).exists()]
    if settings.so_far:
        print(f"{len(left)} of {len(jobs)} zoos are not in the table", file=sys.stderr)
        jobs, left = [job for job in jobs if job not in left], []
    with ProcessPoolExecutor(settings.jobs, initializer=threadpool_limits, initargs=(1,)) as workers:
        for name, _ in workers.map(partial(measured, settings), left[: settings.most]):
            print(name, file=sys.stderr, flush=True)
    if settings.most is not None and len(left) > settings.most:
        print(f"{len(left) - settings.most} of {len(jobs)} zoos are left: run it again", file=sys.stderr)
        return
    found = dict(measured(settings, job) for job in jobs)
    edges = [row for name, rows in found.items() if name.startswith("edges") for row in rows]
    merges = [row for name, rows in found.items() if name.startswith("merges") for row in rows]
    fitted_on = "the other architectures" if settings.direction else shipped().fitted_on
    tree_tables.write(settings.out, edges, merges, fitted_on)


if __name__ == "__main__":
    main()
