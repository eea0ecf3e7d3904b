"""How well networks align that are independent: the null of a margin.

No permutation test is exact after units were matched by the same weights. So a margin is compared with those of pairs
of networks that were trained apart, on the same images and with the same architecture, and disguised likewise.
`make bench-disguises DECOYS=1` measures those of the package again.
"""

import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

FILE = Path(__file__).with_name("decoys.npz")


@dataclass(frozen=True, eq=False)
class Decoys:
    """Margins of independent pairs, and what pairs they are of."""

    margins: np.ndarray
    of: str

    def log10_p(self, margin: float) -> float:
        """log10 of the share of pairs that align at least as well, the given one among them; 0 of no number (NaN)."""
        as_good = int(np.count_nonzero(~(self.margins < margin)))
        return math.log10((1 + as_good) / (1 + len(self.margins)))


def read_decoys(path: Path) -> Decoys:
    """Decoys from their file."""
    with np.load(path, allow_pickle=False) as arrays:
        return Decoys(arrays["margins"].astype(np.float64), str(arrays["of"]))


@cache
def shipped() -> Decoys:
    """Those of the package, read once."""
    return read_decoys(FILE)
