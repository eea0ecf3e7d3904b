"""A sketch of the rows of a matrix, small and as exchangeable as the rows themselves; or why there is none."""

import functools
from dataclasses import dataclass
from enum import Enum

import numpy as np
from scipy.special import betainc, ndtri_exp


class Reason(Enum):
    """Why a matrix is not tested, or is no evidence though it was; {} in a text stands for a number."""

    HEAD = "the head, whose rows are classes"
    RECURRENT = "recurrent: its rows and columns are the same neurons"
    TABLE = "a table, whose rows have a fixed order"
    ATTENTION = "attention: its rows are tied within heads"
    FUSED_ATTENTION = "has the shape of attention's fused input"
    FEW_ROWS = "only {:.0f} rows"
    FEW_COLUMNS = "only {:.0f} columns"
    CONSTANT = "its rows are all alike: initial values or a constant"
    MULTIPLES = "its rows are multiples of a single row"
    ORDERED = "rows near each other, or at one distance, are alike ({:.0f} sd): their order is not free"
    DIAGONAL = "its diagonal stands out ({:.0f} sd): rows and columns are tied"
    LOSS = "of the network of a loss, by its name"
    LONE = "the only matrix that could be tested: one alone is no evidence"
    FIXED_PART = "the same in both, while no matrix that differs is dependent: a fixed part that both hold"


OF_EITHER_SIDE = frozenset(
    {
        Reason.HEAD,
        Reason.RECURRENT,
        Reason.TABLE,
        Reason.ATTENTION,
        Reason.FUSED_ATTENTION,
        Reason.DIAGONAL,
        Reason.LOSS,
    }
)
"""Reasons that rest on a matrix' part in the network: they hold for its columns, taken as rows, as well."""


@dataclass(frozen=True)
class Untestable:
    """A reason, with the number that its text speaks of."""

    reason: Reason
    number: float = 0.0

    def __str__(self) -> str:
        return self.reason.value.format(self.number)


ROWS, COLUMNS = 256, 128
"""Of a sketch, at most."""
CHUNK = 8
"""Rows are taken in runs of so many neighbours, so that an order among neighbours is still seen."""
FEWEST_ROWS, FEWEST_COLUMNS = 16, 4
STRUCTURED = 6.0
"""Rows alike, or a diagonal apart, by so many standard deviations: the rows' order is not free."""
FARTHEST = 64
"""Rows are compared with those up to so many places on."""
CONSTANT = 1e-4
"""A row that differs from the mean row by less than this share of the rows' size carries no information."""
MOST_TIED = 1 / 3
"""A trait that more of the rows share says nothing of their order."""
SAME_LINE = 1e-3
"""Rows whose cosines are all this close to 1 or −1 lie on one line."""
AT_ONCE = 2**16
"""Numbers that are worked on at once: they stay in the processor's cache."""


def sketch(values: np.ndarray) -> np.ndarray | Untestable:
    """The sketch of a matrix, or why it cannot be tested.

    Args:
        values: [n, ...], any number of further axes.

    Returns:
        float16 [rows, columns]: centred rows of norm 1 (0 for constant rows), folded to at most COLUMNS columns.
    """
    return sketch_of_rows(values[chosen_rows(len(values))], len(values))


def sketch_of_rows(chosen: np.ndarray, count: int) -> np.ndarray | Untestable:
    """The same from the rows that `chosen_rows` chooses of a matrix with so many."""
    if count < FEWEST_ROWS:
        return Untestable(Reason.FEW_ROWS, count)
    if (columns := chosen[0].size) < FEWEST_COLUMNS:
        return Untestable(Reason.FEW_COLUMNS, columns)
    places = chosen_rows(count)
    rows = chosen.reshape(-1, columns)
    centred = rows - rows.mean(0)
    norms = np.sqrt(np.einsum("ij,ij->i", centred, centred))
    scale = np.sqrt(np.einsum("ij,ij->i", rows, rows).mean())
    varied = norms > CONSTANT * max(float(scale), 1e-30)
    if varied.sum() < FEWEST_ROWS:
        return Untestable(Reason.CONSTANT)
    if chosen.ndim >= 2 and (apart := _diagonal(chosen, places)) > STRUCTURED:
        return Untestable(Reason.DIAGONAL, apart)
    lengths = np.where(varied, norms, 1)[:, None]
    folded = np.concatenate([_folded(centred[run] / lengths[run]) for run in _runs(centred)])
    folded[~varied] = 0
    overlap = folded @ folded.T
    if np.abs(overlap[varied.argmax(), varied]).min() > 1 - SAME_LINE:
        return Untestable(Reason.MULTIPLES)
    if (order := max(_alike_neighbours(overlap), order_of(_traits_of(chosen, norms)))) > STRUCTURED:
        return Untestable(Reason.ORDERED, order)
    return np.ascontiguousarray(folded, np.float16)


@functools.lru_cache(maxsize=64)
def chosen_rows(count: int) -> np.ndarray:
    """Indices of up to ROWS rows: all, or evenly spaced runs of CHUNK."""
    if count <= ROWS:
        return np.arange(count)
    starts = np.linspace(0, count - CHUNK, ROWS // CHUNK).astype(int)
    return np.unique((starts[:, None] + np.arange(CHUNK)).ravel())


def _runs(rows: np.ndarray) -> list[slice]:
    """Neighbouring rows, so many that they are worked on at once."""
    step = max(1, AT_ONCE // max(1, rows[0].size))
    return [slice(start, start + step) for start in range(0, len(rows), step)]


@functools.lru_cache(maxsize=64)
def _folding(columns: int) -> tuple[np.ndarray, np.ndarray]:
    """An order of the columns, and a sign for each."""
    generator = np.random.default_rng(columns)
    return generator.permutation(columns), generator.choice(np.float32([-1, 1]), columns)


def _folded(rows: np.ndarray) -> np.ndarray:
    """Rows with at most COLUMNS columns, each a signed sum of the given ones.

    Inner products of rows stay the same on average (Charikar, Chen & Farach-Colton 2002,
    doi:10.1007/3-540-45465-9_59).
    """
    columns = rows.shape[1]
    if columns <= COLUMNS:
        return rows
    order, signs = _folding(columns)
    signed = np.take(rows * signs, order, axis=1)
    whole = columns // COLUMNS * COLUMNS
    folded = signed[:, :whole].reshape(len(rows), -1, COLUMNS).sum(1)
    folded[:, : columns - whole] += signed[:, whole:]
    return folded


def _alike_neighbours(overlap: np.ndarray) -> float:
    """By how many standard deviations the cosines of neighbouring rows exceed those of any two."""
    count = len(overlap)
    any_two = overlap[~np.eye(count, dtype=bool)]
    neighbours = np.diagonal(overlap, 1)
    return float((neighbours.mean() - any_two.mean()) / max(any_two.std() / np.sqrt(count - 1), 1e-9))


def _traits_of(rows: np.ndarray, norms: np.ndarray) -> np.ndarray:
    """The traits of all rows, run by run."""
    return np.concatenate([_traits(rows[run], norms[run]) for run in _runs(rows)], axis=1)


def _traits(rows: np.ndarray, norms: np.ndarray) -> np.ndarray:
    """What each row is like, in numbers that a bank of filters, a table or a diagonal is ordered by.

    Its size, its mean and the place of its largest entry; along each of its axes, where its energy lies, and how
    rough it is (of a sinusoid: its frequency).

    Args:
        rows: [n, ...]; norms: of the centred rows.

    Returns:
        [traits, n].
    """
    flat = rows.reshape(len(rows), -1)
    size = np.maximum(np.einsum("ij,ij->i", flat, flat), 1e-30)
    found = [norms, size, flat.mean(1), np.abs(flat).argmax(1)]
    for axis in range(1, rows.ndim):
        along = np.moveaxis(rows, axis, -1).reshape(len(rows), -1, rows.shape[axis])
        if along.shape[2] > 2:
            energy = np.einsum("ijk,ijk->ik", along, along)
            steps = np.diff(along, axis=2)
            found += [energy @ np.arange(along.shape[2]) / size, np.einsum("ijk,ijk->i", steps, steps) / size]
    return np.array(found)


def order_of(traits: np.ndarray) -> float:
    """By how many standard deviations rows at some distance are more alike in some trait than in a random order.

    The rank version of von Neumann's ratio, whose null has nearly a beta distribution (Bartels 1982,
    doi:10.1080/01621459.1982.10477764), at each distance up to half of the rows.

    Args:
        traits: [traits, n].
    """
    count = traits.shape[1]
    in_order, most = np.sort(traits, axis=1), int(MOST_TIED * count)
    ranks = ranks_of(traits[(in_order[:, most:] > in_order[:, : count - most]).all(1)])
    if not len(ranks):
        return 0.0
    ranks = (ranks - ranks.mean(1, keepdims=True)) / ranks.std(1, ddof=1, keepdims=True)
    distances = np.arange(1, min(count // 2, FARTHEST) + 1)
    pairs = count - distances
    waves = np.fft.rfft(ranks, 2 * count)
    products = np.fft.irfft(waves * waves.conj(), 2 * count)[:, distances]
    sums = np.cumsum(np.square(ranks), axis=1)
    squares = sums[:, pairs - 1] + sums[:, -1:] - sums[:, distances - 1]
    ratios = (squares - 2 * products).min(0) / pairs / 4
    rows = pairs + 1
    shape = 5 * rows * (rows + 1) * (rows - 1) ** 2 / (2 * (rows - 2) * (5 * rows**2 - 2 * rows - 9)) - 0.5
    tails = betainc(shape, shape, np.clip(ratios, 0, 1))
    return max(0.0, -float(ndtri_exp(np.log(max(tails.min(), 1e-300)))))


def ranks_of(values: np.ndarray) -> np.ndarray:
    """The ranks of values [k, n] within each row, from 1 on; equal ones share the mean of theirs.

    As SciPy's `rankdata`, whose module takes longer to load than a small audit.
    """
    order = np.argsort(values, axis=1, kind="stable")
    ordered = np.take_along_axis(values, order, 1)
    begins = np.ones(values.shape, bool)
    begins[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    runs = np.cumsum(begins.ravel()) - 1
    starts = np.flatnonzero(begins.ravel())
    lengths = np.diff(np.append(starts, values.size))
    means = starts % max(values.shape[1], 1) + (lengths + 1) / 2
    ranks = np.empty(values.shape)
    np.put_along_axis(ranks, order, means[runs].reshape(values.shape), 1)
    return ranks


def _diagonal(chosen: np.ndarray, places: np.ndarray) -> float:
    """By how many standard deviations the entries [i, i mod columns] differ from their columns, or in size.

    Args:
        chosen: rows [n, columns, ...], of kernels too; places: of the rows, i.
    """
    entries = np.take(chosen.reshape(*chosen.shape[:2], -1), places % chosen.shape[1], axis=1)
    sizes, rows = np.abs(entries), np.arange(len(entries))
    found = 0.0
    for block in (entries, sizes, sizes.mean(2, keepdims=True)):
        on_diagonal = block[rows, rows] - block.mean(0)
        spread = np.sqrt(block.var(0).sum(0))
        found = max(found, float((np.abs(on_diagonal.sum(0)) / np.maximum(spread, 1e-30)).max()))
    return found
