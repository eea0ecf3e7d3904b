"""Some matrices of all models of a family, read one model at a time."""

from collections.abc import Sequence

import numpy as np

from lineage.checkpoints.plain.form import open_plain_model
from lineage.genealogy.reading import Model
from lineage.relation.comparison import evenly
from lineage.relation.matching import Matching, match
from lineage.relation.sketch import chosen_rows

MOST_NUMBERS = 2**26
"""That are held of a family, about: of a large one fewer matrices, then smaller parts of them."""
SIDES = (256, 128, 64, 32)
"""Rows and columns of a matrix that are looked at, at most."""
FEWEST = 4
"""Matrices that are looked at before their parts get smaller."""


def points(models: Sequence[Model], *, follow: bool) -> list[np.ndarray]:
    """Some matrices that all models share: float32 [n, rows, columns], up to 256 of both, the shorter side first.

    Args:
        models: of one family; follow: links out of the folders.
    """
    matchings = matchings_with(models)
    shared = [name for name in models[0].testable if all(name in found.pairs for found in matchings)]
    names = evenly(shared)
    side, most = extent(len(models), len(names))
    if len(names) > most:
        names = [names[int(place)] for place in np.linspace(0, len(names) - 1, most)]
    found: dict[str, np.ndarray] = {}
    for number, (model, matching) in enumerate(zip(models, matchings, strict=True)):
        checkpoint = open_plain_model(model.source.path, inside=model.source.inside, follow=follow)
        for name in names:
            values = checkpoint.read(matching.pairs[name])
            part = part_of(values.swapaxes(0, 1) if name in matching.transposed else values, side)
            if number == 0:
                found[name] = np.empty((len(models), *part.shape), np.float32)
            found[name][number] = part
    return [
        matrices.transpose(0, 2, 1) if matrices.shape[1] > matrices.shape[2] else matrices
        for matrices in found.values()
    ]


def matchings_with(models: Sequence[Model]) -> list[Matching]:
    """How each model's tensors correspond to the first one's; models of equal shapes share theirs."""
    known: dict[tuple, Matching] = {}
    found = []
    for model in models:
        key = tuple(model.shapes.items())
        if key not in known:
            known[key] = match(models[0].shapes, model.shapes)
        found.append(known[key])
    return found


def extent(models: int, matrices: int) -> tuple[int, int]:
    """Rows and columns of each matrix that are held of so many models, and of how many matrices."""
    for side in SIDES:
        most = MOST_NUMBERS // (models * side**2)
        if most >= min(FEWEST, matrices):
            break
    return side, max(most, 1)


def part_of(values: np.ndarray, side: int) -> np.ndarray:
    """Up to so many rows and columns of a matrix [rows, ...], the same for all of its shape."""
    rows = values[_chosen(len(values), side)]
    rows = rows.reshape(len(rows), -1)
    return rows[:, _chosen(rows.shape[1], side)]


def flat(matrices: np.ndarray) -> np.ndarray:
    """Matrices [n, rows, columns] as rows: [n, rows · columns]."""
    return matrices.reshape(len(matrices), -1)


def _chosen(count: int, side: int) -> np.ndarray:
    chosen = chosen_rows(count)
    return chosen if len(chosen) <= side else chosen[np.linspace(0, len(chosen) - 1, side).astype(int)]
