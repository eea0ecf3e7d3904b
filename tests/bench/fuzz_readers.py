"""Reads files with bytes that were changed at random: each must be read, or refused with one line.

    python tests/bench/fuzz_readers.py [--seconds 60] [--only NAME] [--seed 0]

So many seconds for each format of tests/unit/reading_writers.py. Exits with 1 if a reader raised anything else, or
took longer than ten seconds; the changed file stays in build/fuzz.
"""

import argparse
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "unit"))
from reading_networks import network
from reading_writers import WRITERS, written

from lineage.checkpoints.plain.form import open_plain_models
from lineage.errors import UserError

FOUND = Path("build/fuzz")
MOST_SECONDS = 10
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
    for model in open_plain_models(path):
        for name in model.entries:
            model.read(name)
        _ = model.counts, model.notes


def too_slow(*_: object) -> None:
    raise TimeoutError(f"took longer than {MOST_SECONDS} s")


def fuzz(name: str, folder: Path, seconds: float, seed: int) -> tuple[int, int, int]:
    """How many files were tried, refused, and what else was raised."""
    drawn = random.Random(f"{name}{seed}")
    path = written(name, network("lstm" if drawn.random() < 0.5 else "cnn", 1), folder)
    files = {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    tried = refused = wrong = 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        file = drawn.choice([path, *files])
        file.write_bytes(changed(files[file], drawn))
        tried += 1
        signal.alarm(MOST_SECONDS)
        try:
            read_all(path)
        except UserError as error:
            refused += 1
            if "\n" in str(error):
                wrong += report(name, folder, wrong, f"more than one line: {error}")
        except Exception:
            wrong += report(name, folder, wrong, traceback.format_exc())
        finally:
            signal.alarm(0)
        file.write_bytes(files[file])
    return tried, refused, wrong


def report(name: str, folder: Path, number: int, why: str) -> int:
    place = FOUND / f"{name.replace(' ', '_').replace('/', '_')}-{number}"
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(folder, place)
    print(f"{name}: {place}\n{why}", flush=True)
    return 1


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--only", default="")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGALRM, too_slow)
    FOUND.mkdir(parents=True, exist_ok=True)
    total = failures = 0
    for name in WRITERS:
        if given.only in name:
            with tempfile.TemporaryDirectory() as folder:
                tried, refused, wrong = fuzz(name, Path(folder) / "files", given.seconds, given.seed)
            total, failures = total + tried, failures + wrong
            print(
                f"{name}: {tried:,} files, {refused:,} refused with one line, {wrong} otherwise", flush=True
            )
    print(f"{total:,} files, {failures} that were neither read nor refused")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
