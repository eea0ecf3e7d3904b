"""The lineage network that verdicts make: an edge from each model to its parent, and how many ancestors it finds."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from lineage.experiment.conditions import STANDARD, gap
from lineage.results.evaluation.accuracy import rows_of
from lineage.results.intervals import clustered_interval
from lineage.results.names import root_of

KEYS = ["method", "child"]


def edges(outcomes: pd.DataFrame, generation_of: dict[str, int]) -> pd.DataFrame:
    """One edge a child and method: the verdict of the first split in which the child is tested.

    Args:
        outcomes: verdicts with method, condition, seed, child, predicted, tied, parent, margin.
        generation_of: of each child.

    Returns:
        method, child, generation, predicted (None where several candidates tie), parent, margin.
    """
    asked = outcomes[outcomes["condition"] == STANDARD].sort_values("seed", kind="stable")
    first = asked.drop_duplicates(KEYS)
    return pd.DataFrame(
        {
            "method": first["method"],
            "child": first["child"],
            "generation": first["child"].map(generation_of),
            "predicted": first["predicted"].where(first["tied"] == 1, None),
            "parent": first["parent"],
            "margin": first["margin"],
        }
    )


def precision_and_recall(found: pd.DataFrame) -> Iterator[dict]:
    """Rows of results of a network: precision and recall of ancestors by generation gap, with 95 % intervals.

    The ancestor k generations back is the k-th on the line of predicted parents. Precision is the share of the
    ancestors named that are right, recall the share of the true ones that are named.

    Args:
        found: edges of all the models of an experiment.
    """
    for method, of_method in found.groupby("method"):
        predicted = dict(zip(of_method["child"], of_method["predicted"], strict=True))
        truth = dict(zip(of_method["child"], of_method["parent"], strict=True))
        named, true = ({child: child for child in truth} for _ in range(2))
        for distance in range(1, of_method["generation"].max()):
            named = _one_further(named, predicted)
            true = _one_further(true, truth)
            for metric, of in {"precision": named, "recall": true}.items():
                hits = [child in true and named.get(child) == true[child] for child in of]
                bounds = clustered_interval(hits, list(map(root_of, of))) if hits else (float("nan"),) * 2
                share = np.mean(hits) if hits else float("nan")
                numbers = dict(
                    zip((metric, f"{metric}_low", f"{metric}_high"), (share, *bounds), strict=True)
                )
                yield from rows_of(method, gap(distance), None, numbers, len(hits))


def _one_further(ancestor_of: dict[str, str], parent_of: dict[str, str]) -> dict[str, str]:
    """Each model's ancestor one generation further back, where there is one."""
    further = {child: parent_of.get(ancestor) for child, ancestor in ancestor_of.items()}
    return {child: ancestor for child, ancestor in further.items() if isinstance(ancestor, str)}
