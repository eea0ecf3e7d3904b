"""How often an audit is right: on the default zoo that `make run` made, and on small zoos trained here.

    python tests/bench/audit_rates.py [default fc vit resnet18 network]

prints one table; each line is one kind of child, with how many verdicts were as they should be. `make audit-bench`
does all but `network`, the 300 models of `make offline`.
"""

import itertools
import sys
import tempfile
from collections import Counter, defaultdict
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import h5py
import numpy as np
from audit_cases import grafted, merged, variants
from audit_zoo import FOLDER, ZOOS, make
from rich.console import Console
from rich.table import Table
from threadpoolctl import threadpool_limits

from lineage.auditing.audit import Audit, audit_sources
from lineage.checkpoints.find import Source
from lineage.index.digest import DigestCache
from lineage.progress import tracked
from lineage.results.intervals import wilson_interval
from lineage.storage.parquet import write_table
from lineage.storage.schemas import P_VALUES

DRAWS = 1500
OF_NETWORK = 60
"""Children that are drawn from the network."""


class Rates:
    """Counts of verdicts by zoo and kind of child."""

    def __init__(self, cache: Path):
        self.cache = DigestCache(cache)
        self.counts: dict[tuple[str, str, str], Counter] = defaultdict(Counter)

    def audit(self, child: Path | str, candidates: list[Source]) -> Audit:
        return audit_sources(str(child), candidates, cache=self.cache)

    def count(self, zoo: str, kind: str, wanted: str, came: str) -> None:
        self.counts[zoo, kind, wanted][came] += 1
        if came != wanted:
            print(f"{zoo}: {kind}: {came}", file=sys.stderr, flush=True)


def named(audit: Audit) -> str:
    """The verdict, with the parent's id."""
    verdict = audit.verdict
    return f"{verdict.word} {verdict.parent}" if verdict.parent else verdict.word


def default_zoo(rates: Rates, results: Path = Path("results/fc-fashion")) -> None:
    """Every child of the default experiment's first setting, with all roots, and with sets of the other roots."""
    roots = roots_of(results)
    children = [(child, child.id.partition(".")[0]) for child in children_of(results, "full")]
    audited = []
    for child, parent in children:
        audit = rates.audit(child.path, roots)
        audited += p_values(child.id, audit, parent)
        came = named(audit)
        rates.count(
            "default", "all candidates", "the parent", "the parent" if came == f"parent {parent}" else came
        )
    draws = [
        (child, subset)
        for child, parent in children
        for size in range(1, len(roots))
        for subset in itertools.combinations([root for root in roots if root.id != parent], size)
    ]
    generator = np.random.default_rng(0)
    for number in generator.permutation(len(draws))[:DRAWS]:
        child, subset = draws[number]
        rates.count(
            "default", "parent removed", "none of these", named(rates.audit(child.path, list(subset)))
        )
    for one, other in itertools.permutations(roots, 2):
        audit = rates.audit(one.path, [other])
        audited += p_values(one.id, audit)
        rates.count("default", "independent pair", "none of these", named(audit))
    rows = [{"experiment": results.name} | row for row in audited]
    write_table(results / "p_values.parquet", rows, P_VALUES, ["child", "candidate"])


def p_values(child: str, audit: Audit, parent: str | None = None) -> list[dict]:
    """Rows of P_VALUES without their experiment."""
    related = {found.id: found for found in audit.verdict.relatives}
    return [
        {"child": child, "candidate": one.id, "parent": parent, "z": one.z, "log10_p": one.log10_p}
        | {name: getattr(related.get(one.id), name, None) for name in ("relation", "probability", "bound")}
        for one in audit.candidates
    ]


def roots_of(results: Path) -> list[Source]:
    """The roots of an experiment."""
    return [
        Source(id=path.parent.name, path=str(path)) for path in sorted(results.glob("pretrain/*/weights.h5"))
    ]


def children_of(results: Path, setting: str = "*") -> list[Source]:
    """The fine-tuned models of an experiment, of all generations or of one setting."""
    return [
        Source(id=model, path=f"{path}::{model}")
        for path in sorted(results.glob(f"finetune/{setting}/*/*/weights.h5"))
        for model in models_of(path)
    ]


def models_of(path: Path) -> list[str]:
    """The ids in a file of weights."""
    with h5py.File(path) as file:
        return list(file["models"])


def network_zoo(rates: Rates, results: Path = Path("results/fc-network")) -> None:
    """Fine-tuned models of a network, with all others: ancestors, siblings, cousins, descendants, strangers."""
    models = children_of(results)
    verdict = partial(verdict_among, [*roots_of(results), *models], rates.cache)
    drawn = np.random.default_rng(0).permutation(len(models))[:OF_NETWORK]
    children = [models[number] for number in sorted(drawn)]
    with ProcessPoolExecutor(initializer=threadpool_limits, initargs=(1,)) as workers:
        verdicts = zip(children, workers.map(verdict, children), strict=True)
        for child, came in tracked(verdicts, "audits", partial(print, file=sys.stderr), total=len(children)):
            parent = child.id.rsplit(".", 2)[0]
            kind = f"G{child.id.count('.') // 2 + 1}, all other models"
            rates.count("network", kind, "the parent", "the parent" if came == f"parent {parent}" else came)


def verdict_among(models: list[Source], cache: DigestCache, child: Source) -> str:
    """The verdict on one of the models, with the others as candidates."""
    return named(audit_sources(child.path, [one for one in models if one.id != child.id], cache=cache))


def small_zoo(rates: Rates, name: str, folder: Path) -> None:
    """Children with the parent and without it, co-initialised networks, children stored otherwise, merges, grafts."""
    files = {path.stem: path for path in sorted(folder.glob("*.safetensors"))}
    roots = [
        Source(id=model, path=str(path))
        for model, path in files.items()
        if model[0] == "p" and "." not in model
    ]
    children = [model for model in files if model.count(".") == 1]
    for model in children:
        parent = model.partition(".")[0]
        came = named(rates.audit(files[model], roots))
        rates.count(name, "all roots", "the parent", "the parent" if came == f"parent {parent}" else came)
        others = [root for root in roots if root.id != parent]
        rates.count(name, "parent removed", "none of these", named(rates.audit(files[model], others)))
        family = [
            Source(id=other, path=str(files[other]))
            for other in files
            if other != model and not other.endswith(".g")
        ]
        came = named(rates.audit(files[model], family))
        rates.count(
            name, "all other models", "the parent", "the parent" if came == f"parent {parent}" else came
        )
    for model in (model for model in files if model.endswith(".g")):
        parent = model.removesuffix(".g")
        family = [Source(id=other, path=str(files[other])) for other in files if other != model]
        came = named(rates.audit(files[model], family))
        rates.count(
            name, "grandchild, all others", "the parent", "the parent" if came == f"parent {parent}" else came
        )
    alike = ["p0", *(model for model in files if model.startswith("co"))]
    for one, other in itertools.permutations(alike, 2):
        came = named(rates.audit(files[one], [Source(id=other, path=str(files[other]))]))
        rates.count(name, "same initialisation", "same family", came)
    with tempfile.TemporaryDirectory() as made:
        for model in children:
            parent = model.partition(".")[0]
            for kind, path in variants(files[model], Path(made)):
                came = named(rates.audit(path, roots))
                rates.count(name, kind, "the parent", "the parent" if came == f"parent {parent}" else came)
        for first, second in itertools.combinations(roots, 2):
            for weight in (0.5, 0.7):
                path = merged(Path(first.path), Path(second.path), weight, Path(made))
                rates.count(name, f"merged {weight:g} and {1 - weight:.1f}", "both", is_merge(
                    rates.audit(path, roots), {first.id: weight, second.id: 1 - weight}))  # fmt: skip
            for path, taken in grafted(Path(first.path), Path(second.path), Path(made)):
                rates.count(name, "grafted layers", "located", is_located(
                    rates.audit(path, roots), first.id, second.id, taken))  # fmt: skip


def is_merge(audit: Audit, weights: dict[str, float]) -> str:
    """`both`, if the verdict names both parents with weights within 0.05."""
    found = audit.verdict.parents
    close = found.keys() == weights.keys() and all(
        abs(found[name] - weights[name]) <= 0.05 for name in weights
    )
    return "both" if close else f"{named(audit)} {found}"


def is_located(audit: Audit, first: str, second: str, taken: set[str]) -> str:
    """`located`, if every testable layer's source is the network that it was taken from."""
    wrong = [
        layer.tensor
        for layer in audit.layers
        if layer.is_evidence and layer.source != (second if layer.tensor in taken else first)
    ]
    return f"wrong at {wrong[0]}" if wrong else "located"


def main() -> None:
    """Prints the table."""
    wanted = sys.argv[1:] or ["default", *ZOOS]
    with tempfile.TemporaryDirectory() as cache:
        rates = Rates(Path(cache))
        for name in wanted:
            if name == "default":
                default_zoo(rates)
            elif name == "network":
                network_zoo(rates)
            else:
                small_zoo(rates, name, make(name) if name in ZOOS else FOLDER / name)
    table = Table("zoo", "child", "verdict wanted", "right", "n", "95 % of independent cases, %", "otherwise")
    for (zoo, kind, verdict), came in rates.counts.items():
        total = sum(came.values())
        low, high = wilson_interval(came[verdict] / total, total)
        others = ", ".join(f"{count} {what}" for what, count in came.most_common() if what != verdict)
        table.add_row(
            zoo, kind, verdict, str(came[verdict]), str(total), f"{100 * low:.1f} … {100 * high:.1f}", others
        )
    Console(width=160).print(table)


if __name__ == "__main__":
    main()
