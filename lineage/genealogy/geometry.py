"""The models of a family as points: squared distances between them that nearly add up along their tree.

What siblings learn alike makes them nearer to each other than to their parent. So weights are divided by how much of
the family's common random part each model retains (weight decay shrinks it), and directions in which the family's
models differ most are weighed less: rows and columns are whitened by the mean covariance of the differences of pairs.
"""

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from lineage.checkpoints.plain.form import open_plain_model
from lineage.genealogy.reading import Model
from lineage.relation.comparison import evenly, sampled
from lineage.relation.matching import match
from lineage.relation.sketch import chosen_rows
from lineage.relation.spectrum import Spectrum, bulk

MOST_NUMBERS = 2**27
"""That are held of a family: fewer matrices of a large one."""
MOST_PAIRS = 400
"""Pairs of a family whose differences are averaged."""
RIDGE = 1.0
"""Added to the covariance, relative to its mean variance."""
LEAST_BULK = 0.2
"""A smaller share of the common random part is not trusted as a scale."""
BLOCKS, SMALLEST_BLOCK = 4, 8
"""Parts that a matrix is cut into, so that they can be drawn again, of so many rows at least."""


def points(models: Sequence[Model], *, follow: bool) -> list[np.ndarray]:
    """Some matrices that all models share: float32 [n, rows, columns], up to 256 of both, the shorter side first.

    Args:
        models: of one family; follow: links out of the folders.
    """
    matchings = [match(models[0].shapes, model.shapes) for model in models]
    shared = [name for name in models[0].testable if all(name in found.pairs for found in matchings)]
    sources = [model.source for model in models]
    checkpoints = [open_plain_model(source.path, inside=source.inside, follow=follow) for source in sources]
    found = []
    for name in evenly(shared)[: max(2, MOST_NUMBERS // (len(models) * 2**16))]:
        stack = []
        for checkpoint, matching in zip(checkpoints, matchings, strict=True):
            values = checkpoint.read(matching.pairs[name])
            rows = sampled(values.swapaxes(0, 1) if name in matching.transposed else values)
            stack.append(rows[:, chosen_rows(rows.shape[1])])
        matrices = np.stack(stack)
        found.append(matrices.transpose(0, 2, 1) if matrices.shape[1] > matrices.shape[2] else matrices)
    return found


def distances(points: Sequence[np.ndarray]) -> np.ndarray:
    """Squared distances by part of the weights: [parts, n, n].

    Args:
        points: of a family, at least one matrix.
    """
    found = []
    for matrices in points:
        whitened = whitened_alike(at_one_scale(matrices.astype(np.float64)))
        count = min(BLOCKS, max(1, whitened.shape[1] // SMALLEST_BLOCK))
        found += [squared_distances(block) for block in np.array_split(whitened, count, axis=1)]
    return np.stack(found)


def at_one_scale(matrices: np.ndarray) -> np.ndarray:
    """Matrices [n, rows, columns] divided by the share of the most central one's bulk that each retains."""
    central = int(squared_distances(matrices).sum(1).argmin())
    spectrum = Spectrum(matrices[central])
    retained = np.array([bulk(spectrum.retained_by(values)) for values in matrices])
    scales = np.where(retained >= LEAST_BULK, retained, 1.0)
    return matrices / scales[:, None, None]


def whitened_alike(matrices: np.ndarray) -> np.ndarray:
    """Matrices [n, rows, columns] in which differences of pairs are about as large in every direction."""
    pairs = list(combinations(range(len(matrices)), 2))
    chosen = np.random.default_rng(len(matrices)).permutation(len(pairs))[:MOST_PAIRS]
    rows, columns = (np.zeros((side, side)) for side in matrices.shape[1:])
    for first, second in (pairs[place] for place in chosen):
        difference = matrices[first] - matrices[second]
        energy = np.vdot(difference, difference)
        if energy > 0:
            rows += difference @ difference.T / energy
            columns += difference.T @ difference / energy
    return _inverse_root(rows) @ matrices @ _inverse_root(columns)


def squared_distances(values: np.ndarray) -> np.ndarray:
    """Of n arrays of one shape: [n, n]."""
    flat = values.reshape(len(values), -1)
    flat = flat - flat.mean(0)
    products = flat @ flat.T
    sizes = np.diagonal(products)
    return np.maximum(sizes[:, None] + sizes - 2 * products, 0.0)


def _inverse_root(covariance: np.ndarray) -> np.ndarray:
    """The inverse square root of a covariance with RIDGE added; the identity of a zero one."""
    variances, directions = np.linalg.eigh(covariance)
    mean = float(variances.mean())
    if mean <= 0:
        return np.eye(len(covariance))
    return (directions / np.sqrt(np.maximum(variances / mean, 0.0) + RIDGE)) @ directions.T
