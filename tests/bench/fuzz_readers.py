"""Reads files with bytes that were changed at random: each must be read, or refused with one line.

    python tests/bench/fuzz_readers.py [--seconds 600] [--slice 20] [--until HH:MM] [--only NAME] [--write]

Formats of tests/unit/reading_writers.py, and adapters, packed and sparse weights, take turns of 20 seconds, each of
other changes, until every one had its seconds of the processor. build/fuzz/counts.json holds what is done: a run
that was stopped goes on, and `--write` puts it into results/reference/bench/reading.parquet. Exits with 1 if a reader
raised anything else, took longer than ten seconds or more than a gigabyte, or died; its file stays in build/fuzz.
"""

import argparse
import datetime
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
from fuzz_files import MORE, start_of
from reading_formats import COLUMNS, OUT, row
from reading_writers import WRITERS

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


def turn_of_process(name: str, seconds: float, seed: int) -> tuple[int, int, int, float]:
    """A turn in a process of its own: one that dies or hangs is found, with the file that it read."""
    with tempfile.TemporaryDirectory() as above:
        folder = Path(above) / "files"
        heard, said = multiprocessing.Pipe(duplex=False)
        process = multiprocessing.get_context("fork").Process(
            target=turn, args=(name, folder, seconds, seed, said)
        )
        process.start()
        said.close()
        try:
            if heard.poll(seconds + 30 * MOST_SECONDS):
                return heard.recv()
            why = "hangs where no signal ends it"
        except EOFError:
            process.join()
            why = f"died with {process.exitcode}"
        finally:
            process.kill()
            process.join()
        return 0, 0, report(name, folder, seed, why), seconds


def write(counts: dict[str, list]) -> None:
    """Puts rows on changed files beside the others of the table."""
    before = pd.read_parquet(OUT)
    rows = []
    for name, (tried, _, wrong, seconds, _) in counts.items():
        case = f"changed files: {name}"
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
    parser.add_argument("--until", help="a time of day after which no turn begins")
    parser.add_argument("--only", default="")
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    FOUND.mkdir(parents=True, exist_ok=True)
    counts = json.loads(COUNTS.read_text()) if COUNTS.exists() else {}
    names = [name for name in (*WRITERS, *MORE) if given.only in name]
    counts = {name: [0, 0, 0, 0.0, 0] for name in names} | counts
    end = time_of(given.until) if given.until else float("inf")
    while time.time() < end and (left := [name for name in names if counts[name][3] < given.seconds]):
        name = min(left, key=lambda name: counts[name][3])
        spent = min(given.slice, given.seconds)
        found = turn_of_process(name, spent, counts[name][4])
        counts[name] = [*(a + b for a, b in zip(counts[name][:4], found, strict=True)), counts[name][4] + 1]
        COUNTS.write_text(json.dumps(counts, indent=1))
    for name in names:
        tried, refused, wrong, seconds, _ = counts[name]
        print(
            f"{name}: {tried:,} files in {seconds:,.0f} s, {refused:,} refused with one line, {wrong} otherwise"
        )
    if given.write:
        write(counts)
    failures = sum(counts[name][2] for name in names)
    print(f"{sum(counts[name][0] for name in names):,} files, {failures} that were neither read nor refused")
    sys.exit(1 if failures else 0)


def time_of(clock: str) -> float:
    """The next time that a clock shows so, in seconds since 1970."""
    now = datetime.datetime.now()
    found = datetime.datetime.combine(now.date(), datetime.time.fromisoformat(clock))
    return (found if found > now else found + datetime.timedelta(days=1)).timestamp()


if __name__ == "__main__":
    main()
