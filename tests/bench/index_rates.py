"""How often an index finds a child's relatives; `make bench-index` calls it on grown families.

    python tests/bench/index_rates.py results/families --seeds 2 3 4 --out results/reference/bench/index.parquet

The index holds every network of the families, and as many synthetic ones as are wanted, of each architecture and
width alike often. A synthetic network's vectors are those of a grown one with their numbers in random order, and with
as much of what families have in common as their roots share. Children are searched as they are, disguised, and
rounded; the child's own entry never counts. What was sketched stays in `--build`: a run that was stopped goes on.
"""

import argparse
import resource
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
from index_mixture import Grown, grown, train_others, with_synthetic
from safetensors.numpy import load_file, save_file

from lineage.checkpoints.plain.form import open_plain_model
from lineage.families.cases.changes import copy_of
from lineage.families.cases.tree import CHILDREN, GRANDCHILDREN
from lineage.index.change import add
from lineage.index.nearest import Searcher
from lineage.index.store import Store, Stored
from lineage.index.vectors import Vectors, vectors_of
from lineage.relation.alignment.axes import UnknownStructureError
from lineage.relation.alignment.disguises import disguised
from lineage.results.intervals import clustered_interval
from lineage.storage.family_schemas import BENCH
from lineage.storage.parquet import write_table

TOP = 20
WANTED = {"as it is": 0.99, "disguised": 0.97, "quantised": 0.97}


class Bench:
    """Searches an index for relatives of its networks."""

    def __init__(self, stored: Stored):
        self.stored, self.searcher = stored, Searcher(stored)
        self.networks = grown(stored)
        self.by_name = {(network.family, network.model): network for network in self.networks}
        self.of_place = {network.place: network for network in self.networks}

    def rows(self, case: str, child: Grown, vectors: Vectors) -> Iterator[dict]:
        """A row for each thing that is counted of a search."""
        near = [
            self.of_place.get(found.place)
            for found in self.searcher.nearest(vectors, TOP + 31)
            if found.place != child.place
        ]
        root = self.by_name[child.family, "root"]
        is_kin = [found is not None and found.family == child.family and found.is_relative for found in near]
        strangers_before = sum(not kin for kin in is_kin[: near.index(root)]) if root in near else len(near)
        case = f"{case}, other architectures" if child.is_other else case
        common = {"case": case, "family": child.family, "architecture": child.architecture,
                  "optimiser": child.optimiser, "model": child.model}  # fmt: skip
        yield common | {"metric": f"root among the {TOP}, beside its whole family", "hit": root in near[:TOP]}
        yield common | {
            "metric": f"root among the {TOP}, of its family alone",
            "hit": strangers_before < TOP,
        }
        yield common | {"metric": "a relative is the first", "hit": is_kin[0]}
        kin = sum(
            network.family == child.family and network.is_relative and network != child
            for network in self.networks
        )
        yield common | {"metric": f"relatives among the {TOP}", "hit": sum(is_kin[:TOP]) / min(TOP, kin)}

    def as_stored(self, child: Grown) -> Vectors:
        return Vectors(self.stored.own[child.place], self.stored.given[child.place], "")

    def of_state(self, state: dict[str, np.ndarray]) -> Vectors:
        with TemporaryDirectory() as folder:
            path = Path(folder, "model.safetensors")
            save_file({name: np.ascontiguousarray(values) for name, values in state.items()}, path)
            return vectors_of(open_plain_model(path))


def searched(bench: Bench, seeds: Sequence[int], each: int, changed: int) -> Iterator[dict]:
    """Searches for `each` relatives of every root of some seeds; `changed` of them also disguised and rounded."""
    families = sorted(
        {network.family for network in bench.networks if network.seed in seeds or network.is_other}
    )
    for number, family in enumerate(families):
        draw = np.random.default_rng(number)
        models = [
            str(model)
            for model in draw.permutation([*CHILDREN, *GRANDCHILDREN])
            if (family, model) in bench.by_name
        ]
        for model in models[:each]:
            child = bench.by_name[family, model]
            yield from bench.rows("as it is", child, bench.as_stored(child))
        for model in models[:changed]:
            child = bench.by_name[family, model]
            state = load_file(bench.stored.files[child.place])
            yield from bench.rows("quantised", child, bench.of_state(copy_of(state, "int8")))
            if (other := hidden(state, draw)) is not None:
                yield from bench.rows("disguised", child, bench.of_state(other))


def hidden(state: dict[str, np.ndarray], draw: np.random.Generator) -> dict[str, np.ndarray] | None:
    """A state with other orders and scales, as far as its axes are known; None if nothing is."""
    changed = None
    for how in ("permute", "rescale", "stream"):
        try:
            changed = disguised(changed or state, [how], draw)
        except UnknownStructureError:
            continue
    return changed


def searches(index: Path, stored: Stored, seeds: Sequence[int], count: int) -> list[float]:
    """Seconds of CPU that whole searches by the command take, with the audit of the shortlist; no digests stay."""
    draw = np.random.default_rng(0)
    chosen = [network for network in grown(stored) if network.seed in seeds and network.model in CHILDREN]
    seconds = []
    for place in draw.permutation(len(chosen))[:count]:
        command = [Path(sys.executable).with_name("lineage"), "index", "search", index,
                   stored.files[chosen[place].place], "--no-cache"]  # fmt: skip
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(command, capture_output=True, text=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        print(
            f"{chosen[place].family}/{chosen[place].model}: {seconds[-1]:.1f} s, exit code {done.returncode}"
        )
    return seconds


def table(results: pd.DataFrame) -> Iterator[dict]:
    """The shares of the searches, over all and by architecture and optimiser."""
    parts = [({"architecture": "all", "optimiser": "all"}, results)]
    for column, rest in (("architecture", "optimiser"), ("optimiser", "architecture")):
        parts += [({column: value, rest: "all"}, part) for value, part in results.groupby(column)]
    for by, part in parts:
        for (case, metric), rows in part.groupby(["case", "metric"]):
            share = float(rows["hit"].mean())
            low, high = (np.nan, np.nan)
            if rows["hit"].isin([0, 1]).all():
                low, high = clustered_interval(rows["hit"].astype(bool), rows["family"])
            wanted = WANTED[case.partition(",")[0]] if "whole family" in metric else None
            yield by | _number(case, metric, share, len(rows), wanted, low, high)


def _number(
    case: str,
    metric: str,
    value: float,
    n: int,
    least: float | None = None,
    low: float = np.nan,
    high: float = np.nan,
) -> dict:
    wanted = None if least is None else f">= {least:.0%}"
    return {"case": case, "metric": metric, "value": value, "low": low, "high": high, "n": n, "wanted": wanted,
            "met": None if least is None else value >= least, "fitted_on": "seeds 0 and 1"}  # fmt: skip


def _limit(metric: str, value: float, n: int, most: float) -> dict:
    return _number("the index", metric, value, n) | {
        "architecture": "all", "optimiser": "all", "wanted": f"<= {most:g}", "met": value <= most,
    }  # fmt: skip


def chosen(settings: argparse.Namespace) -> list[Path]:
    """The folders of the families in the index: all, or the smallest of each architecture, of the seeds searched."""
    roots = sorted(settings.families.glob("*/*/root.safetensors"), key=lambda path: path.stat().st_size)
    families = [path.parent for path in roots]
    if settings.first is None:
        return families
    found: dict[str, list[Path]] = {}
    for family in families:
        architecture, _, seed = family.parent.name.rpartition("-")
        if int(seed) in settings.seeds:
            found.setdefault(architecture, []).append(family)
    return [family for alike in found.values() for family in alike[: settings.first]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("families", type=Path, help="what `make bench-verdicts` grew")
    parser.add_argument("--seeds", type=int, nargs="+", default=[2, 3, 4], help="of the children")
    parser.add_argument(
        "--first", type=int, help="so many families of an architecture, the smallest of these seeds"
    )
    parser.add_argument(
        "--roots", type=int, default=5, help="of each of three other architectures, trained here"
    )
    parser.add_argument("--models", type=int, default=100_000, help="in the index")
    parser.add_argument("--each", type=int, default=5, help="children of a root")
    parser.add_argument("--changed", type=int, default=2, help="of them, also disguised and rounded")
    parser.add_argument("--searches", type=int, default=4, help="whole searches that are timed")
    parser.add_argument("--build", type=Path, default=Path("build/index"))
    parser.add_argument("--out", type=Path, required=True)
    settings = parser.parse_args()
    if not settings.families.is_dir():
        parser.error(f"{settings.families}: expected grown families; run `make bench-verdicts` first")
    others = train_others(settings.build / "others", settings.roots)
    add(settings.build / "real", [*chosen(settings), *others])
    real = Store(settings.build / "real").read()
    store = with_synthetic(real, settings.build / "all", settings.models)
    stored = store.read()
    size = sum(path.stat().st_size for path in store.folder.iterdir()) / 1e6
    results = pd.DataFrame(searched(Bench(stored), settings.seeds, settings.each, settings.changed))
    results["hit"] = results["hit"].astype(float)
    rows = [
        *table(results),
        _limit("MB on disk", size, len(stored), 400),
        _limit("bytes of a sketch", 2 * stored.own.shape[1], len(stored), 4096),
    ]
    if settings.searches:
        seconds = searches(store.folder, stored, settings.seeds, settings.searches)
        rows.append(_limit("seconds of CPU of a search, the longest", max(seconds), len(seconds), 10))
    write_table(settings.out, rows, BENCH, ["case", "metric", "architecture", "optimiser"])
    shown = pd.DataFrame(rows)
    shown = shown[(shown["architecture"] == "all") & (shown["optimiser"] == "all")]
    print(shown.drop(columns=["architecture", "optimiser"]).to_markdown(index=False))


if __name__ == "__main__":
    main()
