"""Reads files with bytes that were changed at random: each must be read, or refused with one line.

    python tests/bench/fuzz_readers.py [--seconds 600] [--slice 20] [--jobs 2] [--until HH:MM] [--only NAME] [--write]

Formats of tests/unit/reading_writers.py, and adapters, packed and sparse weights, take turns of 20 seconds, each of
other changes, until every reader had its seconds of the processor. build/fuzz/counts.json holds what is done: a run
that was stopped goes on, and `--write` puts it into results/reference/bench/reading.parquet. Exits with 1 if a reader
raised anything else, took longer than ten seconds or more than a gigabyte, or died; its file stays in build/fuzz.
"""

import argparse
import datetime
import itertools
import json
import multiprocessing
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "unit"))
import pandas as pd
from fuzz_files import READERS, start_of
from reading_formats import COLUMNS, OUT, row

from lineage.checkpoints.adapters.merging import merged
from lineage.checkpoints.plain.form import in_plain_form, open_plain_models
from lineage.checkpoints.read import open_model
from lineage.errors import UserError
from lineage.storage.parquet import write_table

FOUND = Path("build/fuzz")
COUNTS = FOUND / "counts.json"
MOST_SECONDS, MOST_MEMORY = 10, 2**20
"""Of one file: seconds of the processor, and KiB above what was taken before."""
WANTED = 600
"""Seconds of the processor for each reader."""
NUMBERS = [b"\x00", b"\xff", b"\x7f", b"\x80", b"\xff" * 4, b"\xff" * 8, b"\0" * 8, b"\xff\xff\xff\x7f"]
"""What is written over bytes, beside random ones."""


def changed(data: bytes, drawn: random.Random) -> bytes:
    """One to four changes: a bit, a number, a run that is cut or doubled, the end; most near the ends of the file."""
    found = bytearray(data)
    for _ in range(drawn.randint(1, 4)):
        span = len(found)
        if not span:
            break
        near = min(1024, span)
        at = drawn.choice([drawn.randrange(near), span - 1 - drawn.randrange(near), drawn.randrange(span)])
        length = drawn.choice([1, 2, 4, 8, 30])
        match drawn.randrange(6):
            case 0:
                found[at] ^= 1 << drawn.randrange(8)
            case 1:
                number = drawn.choice(NUMBERS)
                found[at : at + len(number)] = number
            case 2:
                found[at : at + length] = drawn.randbytes(length)
            case 3:
                del found[at : at + length]
            case 4:
                found[at:at] = found[at : at + length]
            case 5:
                del found[at:]
    return bytes(found)


def read_all(path: Path) -> None:
    if (base := path.parent / "base.safetensors").exists():
        models = [in_plain_form(merged(open_model(path), open_model(base)))]
    else:
        models = open_plain_models(path)
    for model in models:
        for name in model.entries:
            model.read(name)
        _ = model.counts, model.notes


def too_slow(*_: object) -> None:
    raise TimeoutError(f"took longer than {MOST_SECONDS} s")


def turn(name: str, folder: Path, seconds: float, seed: int, said) -> None:
    """Changes files for so long; says how many were tried and refused, what else was raised, and how long it took."""
    signal.signal(signal.SIGPROF, too_slow)
    chance = random.Random(f"{name}{seed}")
    path = start_of(name, folder)
    files = {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    tried = refused = wrong = 0
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.monotonic()
    while time.monotonic() < start + seconds:
        file = chance.choice([path, *files])
        file.write_bytes(changed(files[file], chance))
        tried += 1
        signal.setitimer(signal.ITIMER_PROF, MOST_SECONDS)
        try:
            read_all(path)
        except UserError as error:
            refused += 1
            if "\n" in str(error):
                wrong += report(name, folder, seed, f"more than one line: {error}")
        except Exception:
            wrong += report(name, folder, seed, traceback.format_exc())
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
        if (peak := resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) > before + MOST_MEMORY:
            wrong += report(name, folder, seed, f"took {(peak - before) / 2**20:.1f} GiB")
            before = peak
        file.write_bytes(files[file])
    said.send((tried, refused, wrong, time.process_time()))


def report(name: str, folder: Path, seed: int, why: str) -> int:
    place = FOUND / f"{name.replace(' ', '_').replace('/', '_')}-{seed}-{time.time_ns()}"
    shutil.copytree(folder, place)
    print(f"{name}: {place}\n{why}", flush=True)
    return 1


class Turn:
    """A turn in a process of its own: one that dies or hangs is found, with the file that it read."""

    def __init__(self, name: str, seconds: float, seed: int):
        self.name, self._seconds, self._seed = name, seconds, seed
        self._above = tempfile.TemporaryDirectory()
        self._folder = Path(self._above.name) / "files"
        self._heard, said = multiprocessing.Pipe(duplex=False)
        self._process = multiprocessing.get_context("fork").Process(
            target=turn, args=(name, self._folder, seconds, seed, said)
        )
        self._process.start()
        said.close()

    def end(self) -> tuple[int, int, int, float]:
        """Waits for it: how many files were tried, refused and neither, and how long it took."""
        with self._above:
            try:
                if self._heard.poll(self._seconds + 30 * MOST_SECONDS):
                    return self._heard.recv()
                why = "hangs where no signal ends it"
            except EOFError:
                self._process.join()
                why = f"died with {self._process.exitcode}"
            finally:
                self._process.kill()
                self._process.join()
            return 0, 0, report(self.name, self._folder, self._seed, why), self._seconds


def of_reader(reader: str, counts: dict[str, list]) -> list:
    """How many files were tried, refused and neither, and the seconds, of all formats of a reader."""
    return [sum(each) for each in zip(*(counts[name][:4] for name in READERS[reader]), strict=True)]


def write(counts: dict[str, list]) -> None:
    """Puts rows on changed files beside the others of the table."""
    before = pd.read_parquet(OUT)
    rows = []
    for reader in READERS:
        tried, _, wrong, seconds = of_reader(reader, counts)
        case = f"changed files: {reader}"
        rows += [
            row(case, "neither read nor refused with one line", wrong, tried, 0, is_most=True),
            row(case, "seconds of the processor", seconds, tried, WANTED),
        ]
    others = before[~before.case.str.startswith("changed files: ")]
    write_table(OUT, pd.concat([others, pd.DataFrame(rows)]), COLUMNS, sort_by=["case", "metric"])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=WANTED)
    parser.add_argument("--slice", type=float, default=20)
    parser.add_argument("--jobs", type=int, default=2, help="so many formats at a time")
    parser.add_argument("--until", help="a time of day after which no turn begins")
    parser.add_argument("--only", default="", help="readers with this in their names")
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    FOUND.mkdir(parents=True, exist_ok=True)
    counts = {name: [0, 0, 0, 0.0, 0] for name in itertools.chain(*READERS.values())}
    counts |= json.loads(COUNTS.read_text()) if COUNTS.exists() else {}
    readers = [reader for reader in READERS if given.only in reader]
    if not readers:
        parser.error(f"--only: no reader is called {given.only}; there are {', '.join(READERS)}")
    end = time_of(given.until) if given.until else float("inf")
    while time.time() < end and (names := next_turns(readers, counts, given.seconds)[: given.jobs]):
        turns = [Turn(name, min(given.slice, given.seconds), counts[name][4]) for name in names]
        for each in turns:
            counts[each.name] = [a + b for a, b in zip(counts[each.name], (*each.end(), 1), strict=True)]
        COUNTS.write_text(json.dumps(counts, indent=1))
    for reader in readers:
        tried, refused, wrong, seconds = of_reader(reader, counts)
        print(
            f"{reader}: {tried:,} files in {seconds:,.0f} s, {refused:,} refused with one line, {wrong} otherwise"
        )
    if given.write:
        write(counts)
    tried, _, failures, _ = (
        sum(each) for each in zip(*(of_reader(each, counts) for each in readers), strict=True)
    )
    print(f"{tried:,} files, {failures} that were neither read nor refused")
    sys.exit(1 if failures else 0)


def next_turns(readers: list[str], counts: dict[str, list], seconds: float) -> list[str]:
    """Of each reader that is not done, the format that had least; first of the one that had least itself."""
    spent = {reader: of_reader(reader, counts)[3] for reader in readers}
    left = sorted((reader for reader in readers if spent[reader] < seconds), key=spent.get)
    return [min(READERS[reader], key=lambda name: counts[name][3]) for reader in left]


def time_of(clock: str) -> float:
    """The next time that a clock shows so, in seconds since 1970."""
    now = datetime.datetime.now()
    found = datetime.datetime.combine(now.date(), datetime.time.fromisoformat(clock))
    return (found if found > now else found + datetime.timedelta(days=1)).timestamp()


if __name__ == "__main__":
    main()
