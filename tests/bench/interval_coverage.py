"""How often 95 % intervals of an accuracy hold it where children of one root are alike; `make bench-intervals`.

Roots have accuracies of a beta distribution, with the mean that is looked for and a standard deviation; each child of
a root is right with its root's. Nothing is drawn: there are so few outcomes, up to the order of the roots, that the
interval of each is computed, and its probability.
"""

import itertools
from collections.abc import Callable, Iterable

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy.special import gammaln
from scipy.stats import betabinom, binom

from lineage.results.intervals import clustered_interval, wilson_interval

ACCURACIES = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
DEVIATIONS = (0.0, 0.05, 0.1, 0.15, 0.2)
SHAPES = ((6, 8), (5, 9), (8, 5), (10, 3), (4, 4), (5, 3))
"""Roots, and children of each; the first is the default experiment's, on which the constants were chosen."""
Interval = Callable[[np.ndarray, int], tuple[float, float]]
"""From right children by root, and the children of each, to an interval."""


def over_roots(right: np.ndarray, children: int) -> tuple[float, float]:
    """The interval of every table."""
    credits = [number < count for count in right for number in range(children)]
    return clustered_interval(credits, np.repeat(np.arange(len(right)), children))


def over_children(right: np.ndarray, children: int) -> tuple[float, float]:
    """Wilson's, as if children of one root were independent."""
    n = len(right) * children
    return wilson_interval(right.sum() / n, n)


def bootstrap(right: np.ndarray, children: int) -> tuple[float, float]:
    """The plain one over roots: between percentiles of the accuracy over all draws of as many roots."""
    draws, chances = all_draws(len(right))
    shares = draws @ right / (len(right) * children)
    order = np.argsort(shares)
    below = np.cumsum(chances[order])
    low, high = np.searchsorted(below, (0.025, 0.975))
    return shares[order][low], shares[order][high]


def all_draws(roots: int) -> tuple[np.ndarray, np.ndarray]:
    """How often each root is drawn, [draws, roots], of all draws with replacement; and how probable each is."""
    drawn = np.array(list(itertools.combinations_with_replacement(range(roots), roots)))
    counts = np.stack([(drawn == root).sum(axis=1) for root in range(roots)], axis=1)
    return counts, np.exp(orders(counts) - roots * np.log(roots))


def orders(counts: np.ndarray) -> np.ndarray:
    """The logarithm of how many orders there are of things that occur so often, [..., kinds]."""
    return gammaln(counts.sum(axis=-1) + 1) - gammaln(counts + 1).sum(axis=-1)


def outcomes(roots: int, children: int) -> np.ndarray:
    """Right children by root, [outcomes, roots], in ascending order."""
    return np.array(list(itertools.combinations_with_replacement(range(children + 1), roots)))


def probabilities(found: np.ndarray, children: int, accuracy: float, deviation: float) -> np.ndarray:
    """Of each outcome."""
    numbers = np.arange(children + 1)
    if deviation:
        concentration = accuracy * (1 - accuracy) / deviation**2 - 1
        of_root = betabinom(children, accuracy * concentration, (1 - accuracy) * concentration).logpmf(
            numbers
        )
    else:
        of_root = binom(children, accuracy).logpmf(numbers)
    counts = np.stack([(found == number).sum(axis=1) for number in numbers], axis=1)
    return np.exp(orders(counts) + of_root[found].sum(axis=1))


def coverage(
    interval: Interval,
    roots: int,
    children: int,
    accuracies: Iterable[float] = ACCURACIES,
    deviations: Iterable[float] = DEVIATIONS,
) -> np.ndarray:
    """How often the interval holds the accuracy: [deviations, accuracies]."""
    found = outcomes(roots, children)
    low, high = np.transpose([interval(right, children) for right in found])
    held = [
        [
            probabilities(found, children, accuracy, deviation)[(low <= accuracy) & (accuracy <= high)].sum()
            for accuracy in accuracies
        ]
        for deviation in deviations
    ]
    return np.array(held)


def main() -> None:
    """Prints the tables."""
    console = Console(width=110)
    for interval in (over_roots, over_children, bootstrap):
        roots, children = SHAPES[0]
        heading = interval.__doc__.partition("\n")[0]
        table = Table("sd between roots", *(f"accuracy {accuracy}" for accuracy in ACCURACIES), title=heading)
        for deviation, row in zip(DEVIATIONS, coverage(interval, roots, children), strict=True):
            table.add_row(f"{deviation}", *(f"{100 * held:.1f}" for held in row))
        console.print(f"coverage in per cent, {roots} roots with {children} children each:", table)
    table = Table("roots", "children of each", "least", "most", title="The interval of every table")
    for roots, children in SHAPES:
        held = 100 * coverage(over_roots, roots, children)
        table.add_row(str(roots), str(children), f"{held.min():.1f}", f"{held.max():.1f}")
    console.print("coverage in per cent over these accuracies and deviations, by roots and children:", table)


if __name__ == "__main__":
    main()
