"""How often a parent is known by answers alone, on networks that are trained here.

    python tests/bench/label_rates.py [--worlds fc-fashion conv-digits]

Networks' answers, and what was measured on each world, are stored below build/labels and not computed again, so it
may be stopped and run again; after a change of the code remove the `*.jsonl` there. Rows of worlds that are not named
stay as they are committed. At 5 % false positives each method has the threshold that the other architectures than the
suspect's give it; beside that stands what `lineage answer` says at its fixed levels.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from label_cases import Case, Suspect
from label_speed import speed
from label_store import stored
from label_table import table_of
from labels_zoo import World, answers, pool
from rich.console import Console
from rich.table import Table

from lineage.asking.answers import Kind
from lineage.asking.checking import check_follows
from lineage.asking.choosing.pool import Pool
from lineage.asking.choosing.query_rules import BUDGETS
from lineage.asking.distances import agreement
from lineage.asking.outliers import outliers
from lineage.asking.verdict import NOMINAL, most_of
from lineage.errors import UserError
from lineage.seeds import seed_of

FOLDER = Path("build/labels")
OUT = Path("results/reference/bench/labels.parquet")
ASKED_OUT = OUT.with_name("labels-cases.parquet")
WORLDS = ("fc-fashion", "conv-digits", "resnet-fashion", "vit-digits")
CANDIDATES, MOST, GEOMETRY = 20, 500, 300
"""Candidates of a case, its most queries, and those of suspects under a new head."""
LEVELS = tuple(
    sorted({*NOMINAL.values(), *(float(f"{level:.1e}") for level in np.geomspace(1e-7, 0.05, 30))})
)
"""Of the test of outliers; the lowest at which a family is named is stored."""
ABSENT = {100: 1, 200: 1, 300: 1, 500: 3}
"""Draws of candidates that a suspect is unrelated to, by budget."""
PARTS = 3
"""Halves of the data that a dishonest accuser tries, each with every budget."""
ACCUSED = 20
"""Of so many suspects one is accused falsely."""
BASELINE = "misclassified inputs"


def measured(world: World) -> Iterator[dict]:
    """One row a suspect, its candidates and a method, of a world; those of a root that were stored are read."""
    held, inputs = answers(world, FOLDER, say), pool(world.kind)
    suspects = [
        Suspect(*name.split("|"), outputs, _accuracy(outputs, inputs))
        for name, outputs in held.items()
        if name.count("|") == 2
    ]
    roots = [suspect.root for suspect in suspects if suspect.condition == "root"]
    for root in roots:
        path = FOLDER / world.id / f"{root}.jsonl"
        if not path.exists():
            related = [suspect for suspect in suspects if suspect.root == root]
            rows = [
                *_of_root(world, related, roots, held, inputs),
                *_accused(world, related, roots, held, inputs),
            ]
            part = path.with_suffix(".part")
            part.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
            part.rename(path)
            say(f"{world.id}: {root} and {len(related) - 1} derived from it measured")
        yield from map(json.loads, path.read_text().splitlines())


def _accuracy(outputs: np.ndarray, inputs: Pool) -> float:
    """The share of images as they are that are labelled right."""
    return float((outputs.argmax(1) == inputs.labels)[: inputs.natural].mean())


def _of_root(
    world: World, related: list[Suspect], roots: list[str], stored: dict[str, np.ndarray], inputs: Pool
) -> Iterator[dict]:
    """Rows of a root and what is derived from it, with the root among the candidates and without."""
    root = related[0].root
    random = np.random.default_rng(seed_of(f"candidates of {root}"))
    others = [id for id in roots if id != root]
    for budget in BUDGETS:
        draws = [
            *([(True, 0)] if budget >= GEOMETRY else []),
            *((False, draw) for draw in range(ABSENT[budget])),
        ]
        for is_present, draw in draws:
            asked = [suspect for suspect in related if not is_present or suspect.condition != "root"]
            if asked:
                drawn = [str(id) for id in random.choice(others, CANDIDATES - is_present, replace=False)]
                ids = sorted([*drawn, root] if is_present else drawn)
                case = Case(ids, stored, inputs, budget, seed_of(f"{root} {budget} {draw} {is_present}"))
                for suspect in asked:
                    yield from _rows(world, case, suspect, is_present, budget, draw)


def _rows(
    world: World, case: Case, suspect: Suspect, is_present: bool, budget: int, draw: int
) -> Iterator[dict]:
    """A row a method: where the parent stands, and how far the best stands out."""
    is_new = "new head" in suspect.condition
    if (is_new and (budget != GEOMETRY or draw)) or (not is_new and is_present and budget != MOST):
        return
    found = {str(kind): case.scores(suspect, kind) for kind in (Kind.LABELS, Kind.PROBABILITIES)}
    if not is_new:
        found[BASELINE] = case.baseline(suspect)
        found["plain agreement"] = agreement(
            suspect.outputs[case.queries.chosen].argmax(1), case.queries.outputs.argmax(2)
        )
    ids = case.queries.plan.ids
    for method, weights in found.items():
        best = int(weights.argmax())
        others = np.delete(weights, best)
        lowest = next(
            (level for level in LEVELS if outliers(weights, alpha=level, most=most_of(len(ids))).chosen), None
        )
        named = [] if lowest is None else outliers(weights, alpha=lowest, most=most_of(len(ids))).chosen
        yield {
            "world": world.id, "architecture": world.architecture, "suspect": suspect.name, "root": suspect.root,
            "condition": suspect.condition, "accuracy": None if is_new else suspect.accuracy,
            "method": method, "budget": budget, "present": is_present,
            "first": bool(ids[best] == suspect.root and (weights == weights[best]).sum() == 1),
            "level": lowest, "named": [ids[place] for place in named],
            "deviation": float(weights[best] - others.mean()) / max(float(others.std(ddof=1)), 1e-9),
        }  # fmt: skip


def _accused(
    world: World, related: list[Suspect], roots: list[str], stored: dict[str, np.ndarray], inputs: Pool
) -> Iterator[dict]:
    """What a dishonest accuser gets who tries halves of the data with every budget for one candidate of its own."""
    plain = [suspect for suspect in related if "new head" not in suspect.condition]
    for number, suspect in enumerate(plain[::ACCUSED]):
        random = np.random.default_rng(seed_of(f"accuser of {suspect.name}"))
        ids = sorted(
            str(id)
            for id in random.choice([id for id in roots if id != suspect.root], CANDIDATES, replace=False)
        )
        own = str(random.choice(ids))
        levels = []
        for part in range(PARTS):
            half = random.permutation(len(inputs.labels))[: len(inputs.labels) // 2]
            half = np.sort(half)
            some = Pool(
                images=inputs.images[half],
                labels=inputs.labels[half],
                natural=int((half < inputs.natural).sum()),
            )
            of_roots = {
                name: values[half]
                for name, values in stored.items()
                if name.count("|") == 1 or name.endswith("|root")
            }
            for budget in BUDGETS:
                case = Case(ids, of_roots, some, budget, part)
                here = replace(suspect, outputs=suspect.outputs[half])
                levels.append(_level_of(case.scores(here, Kind.LABELS), ids.index(own)))
        yield {
            "world": world.id, "architecture": world.architecture, "suspect": suspect.name, "root": suspect.root,
            "condition": "accused", "method": "labels",
            "level": min(level for level in [*levels, 1.0] if level is not None),
            "refused": _is_refused(Case(ids, stored, inputs, 100, number), suspect, ids.index(own)),
        }  # fmt: skip


def _level_of(weights: np.ndarray, own: int) -> float | None:
    """The lowest level at which one candidate stands out."""
    for level in LEVELS:
        if own in outliers(weights, alpha=level, most=most_of(len(weights))).chosen:
            return level
    return None


def _is_refused(case: Case, suspect: Suspect, own: int) -> bool:
    """Whether queries that were picked where the suspect answers as one candidate alone does are refused."""
    labels = case.seen.labels
    same = (labels == labels[own]).mean(0) + (suspect.outputs.argmax(1) != labels[own])
    picked = np.argsort(same, kind="stable")[: case.queries.plan.budget]
    forged = replace(case.queries, chosen=picked)
    try:
        check_follows(forged, forged.commitment)
    except UserError:
        return True
    return False


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--worlds", nargs="*", default=WORLDS)
    settings = parser.parse_args()
    torch.set_num_threads(1)
    FOLDER.mkdir(parents=True, exist_ok=True)
    rows = [row for name in settings.worlds for row in measured(World(*name.split("-")))]
    times = FOLDER / "speed.json"
    if not times.exists():
        times.write_text(json.dumps(speed()))
    table = table_of(stored(rows, ASKED_OUT), json.loads(times.read_text()), OUT)
    shown = Table("case", "metric", "architecture", "value", "95 % interval", "n", "wanted", "met")
    for row in table.itertuples():
        spread = "" if np.isnan(row.low) else f"{100 * row.low:.1f} … {100 * row.high:.1f}"
        value = f"{row.value:.3g}" if np.isnan(row.low) else f"{100 * row.value:.1f} %"
        met = {True: "yes", False: "no"}.get(row.met, "")
        wanted = row.wanted if isinstance(row.wanted, str) else ""
        shown.add_row(row.case, row.metric, row.architecture, value, spread, str(row.n), wanted, met)
    Console(width=160).print(shown)


if __name__ == "__main__":
    main()
