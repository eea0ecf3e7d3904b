"""Rows of results: accuracies of verdicts, with chance and a 95 % interval."""

from collections.abc import Iterator

import pandas as pd

from lineage.results.intervals import clustered_interval
from lineage.results.names import root_of


def summarised(outcomes: pd.DataFrame) -> Iterator[dict]:
    """Rows of results of one setting.

    Of each seed: accuracy, and on how many children the best score is tied or any score overshoots. Over all
    seeds: chance, and a 95 % interval of the accuracy over roots, a child tested in several seeds counting once.

    Args:
        outcomes: verdicts with method, condition, seed, child.
    """
    for (method, condition), rows in outcomes.groupby(["method", "condition"]):
        for seed, of_seed in rows.groupby("seed"):
            numbers = {
                "accuracy": of_seed["credit"].mean(),
                "ties": (of_seed["tied"] > 1).sum(),
                "overshoots": (of_seed["overshoot"] > 0).sum(),
            }
            yield from rows_of(method, condition, seed, numbers, len(of_seed))
        chance = (1 / rows["candidates"]).mean()
        yield from pooled(method, condition, rows.groupby("child")["credit"].mean(), chance)


def pooled(method: str, condition: str, by_child: pd.Series, chance: float) -> Iterator[dict]:
    """Rows over all seeds: chance, and the interval of an accuracy, whose cases are alike where they share a root."""
    low, high = clustered_interval(by_child, by_child.index.map(root_of))
    numbers = {"chance": chance, "interval_low": low, "interval_high": high}
    yield from rows_of(method, condition, None, numbers, len(by_child))


def rows_of(
    method: str, condition: str, seed: int | None, numbers: dict[str, float], n: int
) -> Iterator[dict]:
    """Rows of results: one for each number, by its metric.

    Args:
        method: of `lineage.results.methods`.
        condition: of `lineage.experiment.conditions`.
        seed: of the split; None over all seeds.
        numbers: values by metric.
        n: how many verdicts they are of.
    """
    for metric, value in numbers.items():
        yield {
            "method": method,
            "condition": condition,
            "seed": seed,
            "metric": metric,
            "value": value,
            "n": n,
        }
