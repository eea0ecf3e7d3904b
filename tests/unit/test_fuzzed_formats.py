"""Every format that a test can write is read by one of the readers that `fuzz_readers.py` gives changed files."""

import sys
from itertools import chain
from pathlib import Path

from reading_writers import WRITERS

sys.path.append(str(Path(__file__).parents[1] / "bench"))
from fuzz_files import MORE, READERS


def test_every_format_has_one_reader():
    assert sorted(chain(*READERS.values())) == sorted([*WRITERS, *MORE])
