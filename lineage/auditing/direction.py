"""The model of direction that comes with the package; `make direction` fits it again."""

from functools import cache
from pathlib import Path

import numpy as np

from lineage.relation.direction.estimate import Model

FILE = Path(__file__).with_name("direction.npz")


def read_model(path: Path) -> Model:
    """A model from its file."""
    with np.load(path, allow_pickle=False) as arrays:
        return Model.of_arrays(arrays)


@cache
def shipped() -> Model:
    """The model of the package, read once."""
    return read_model(FILE)
