"""The share of mutants that the unit tests notice: `make mutation`, minutes; the parts stand in pyproject.toml.

A mutant is a copy of the code with one operator, number or condition changed. Of each part's places some are drawn,
and of each place one mutant, always the same ones for a seed. A mutant that fails no test survives: a test is
missing, or the mutant computes the same. Mutants that a person has found to compute the same are named in
pyproject.toml, and not counted.
"""

import argparse
import os
import random
import re
import shlex
import sys
import tempfile
import tomllib
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from checkout import REPOSITORY, copy_repository
from cosmic_ray.commands import init
from cosmic_ray.mutating import mutate_and_test
from cosmic_ray.work_db import use_db
from cosmic_ray.work_item import MutationSpec, TestOutcome, WorkerOutcome

SETTINGS = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["mutation"]
NEVER_WRITTEN = re.compile(r"BinaryOperator.*(BitAnd|BitOr|BitXor|LShift|RShift)|RemoveDecorator")
"""Operators whose mutants no arithmetic stands: they are killed by the first test, and tell nothing."""


def mutants_of(part: dict) -> list[MutationSpec]:
    """The mutants that are drawn for a part; called in a copy of the repository."""
    paths = sorted(path for pattern in part["modules"] for path in Path().glob(pattern))
    with use_db(":memory:") as database:
        init(paths, database, {})
        found = [item.mutations[0] for item in database.work_items]
    places: dict[tuple, list[MutationSpec]] = {}
    for mutant in sorted(found, key=lambda m: (str(m.module_path), m.operator_name, m.occurrence)):
        if not NEVER_WRITTEN.search(mutant.operator_name):
            places.setdefault((str(mutant.module_path), *mutant.start_pos), []).append(mutant)
    draw = random.Random(SETTINGS["seed"])
    chosen = draw.sample(sorted(places), min(part["mutants"], len(places)))
    return [draw.choice(places[place]) for place in sorted(chosen)]


def enter_a_copy(folder: str) -> None:
    """Puts this worker into a repository of its own, whose package the tests import."""
    copy = copy_repository(Path(folder) / str(os.getpid()))
    os.chdir(copy.folder)
    os.environ |= copy.environment() | {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}


def outcome(mutant: MutationSpec | None, tests: list[str]) -> tuple[bool, str]:
    """Whether the tests fail on a mutant (with None: on the code as it is), and the mutant as `file: old -> new`."""
    command = shlex.join([sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests])
    done = mutate_and_test([mutant] if mutant else [], command, SETTINGS["seconds"])
    assert done.worker_outcome == WorkerOutcome.NORMAL, done.output
    changed = [line for line in (done.diff or "").splitlines() if re.match(r"[-+](?![-+])", line)]
    old, new = (" ".join(line[1:].strip() for line in changed if line[0] == sign) for sign in "-+")
    return (
        done.test_outcome != TestOutcome.SURVIVED,
        f"{mutant.module_path}: {old} -> {new}" if mutant else "",
    )


def measured(workers: ProcessPoolExecutor, name: str, harmless: set[str]) -> tuple[int, int]:
    """How many mutants of a part are killed, and of how many that do not compute the same; prints the others."""
    part = SETTINGS["parts"][name]
    mutants = workers.submit(mutants_of, part).result()
    found = [path for pattern in part["tests"] for path in sorted(REPOSITORY.glob(pattern))]
    tests = [str(path.relative_to(REPOSITORY)) for path in found]
    outcomes = workers.map(outcome, [None, *mutants], [tests] * (1 + len(mutants)))
    if next(outcomes)[0]:
        sys.exit(f"error: {name}: its tests fail without a mutant; run pytest {' '.join(tests)}")
    killed, same = 0, 0
    for was_killed, mutant in outcomes:
        killed += was_killed
        same += mutant in harmless and not was_killed
        if not was_killed:
            print(f"  {'equivalent' if mutant in harmless else 'survives'}  {mutant}", flush=True)
    count = len(mutants) - same
    print(f"{name}: {killed} of {count} killed ({killed / count:.0%}); {same} equivalent", flush=True)
    return killed, count


def main() -> None:
    """Prints the mutants that survive, and the share of those that do not."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--workers", type=int, default=os.cpu_count())
    arguments.add_argument("parts", nargs="*", help="some of " + ", ".join(SETTINGS["parts"]))
    chosen = arguments.parse_args()
    harmless = {equivalent["mutant"] for equivalent in SETTINGS["equivalent"]}
    with tempfile.TemporaryDirectory() as folder:
        workers = ProcessPoolExecutor(chosen.workers, initializer=enter_a_copy, initargs=(folder,))
        counts = [measured(workers, name, harmless) for name in chosen.parts or SETTINGS["parts"]]
    killed, counted = map(sum, zip(*counts, strict=True))
    print(f"all: {killed} of {counted} killed ({killed / counted:.0%})")


if __name__ == "__main__":
    main()
