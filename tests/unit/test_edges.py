"""The lineage network of verdicts, against paths that networkx finds."""

import networkx
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lineage.experiment.conditions import STANDARD, gap, with_count
from lineage.results.evaluation.edges import edges, precision_and_recall

ROOTS = ["p0", "p1"]


@st.composite
def networks(draw) -> pd.DataFrame:
    """Edges of up to four generations; some predictions are wrong or missing."""
    last, rows = list(ROOTS), []
    earlier = list(ROOTS)
    for generation in range(2, 5):
        children = [f"g{generation}-{number}" for number in range(draw(st.integers(1, 4)))]
        for child in children:
            predicted = draw(st.sampled_from([*earlier, None]))
            parent = draw(st.sampled_from(last))
            rows.append(("l1", child, generation, predicted, parent))
        earlier += children
        last = children
    return pd.DataFrame(rows, columns=["method", "child", "generation", "predicted", "parent"])


def ancestors_at(pairs: list[tuple[str, str]], distance: int) -> set[tuple[str, str]]:
    """(descendant, ancestor) that a walk of so many steps joins."""
    graph = networkx.DiGraph(pairs)
    lengths = dict(networkx.all_pairs_shortest_path_length(graph))
    return {(start, end) for start, ends in lengths.items() for end, n in ends.items() if n == distance}


@settings(max_examples=60, deadline=None)
@given(networks())
def test_precision_and_recall_are_those_of_the_walks_in_the_two_networks(found):
    rows = {(row["condition"], row["metric"]): row for row in precision_and_recall(found)}
    predicted = found.dropna(subset="predicted")
    for distance in (1, 2, 3):
        named = ancestors_at(list(zip(predicted["child"], predicted["predicted"], strict=True)), distance)
        true = ancestors_at(list(zip(found["child"], found["parent"], strict=True)), distance)
        recall, precision = (rows[gap(distance), metric] for metric in ("recall", "precision"))
        assert (precision["n"], recall["n"]) == (len(named), len(true))
        assert recall["value"] == pytest.approx(len(named & true) / len(true))
        if named:
            assert precision["value"] == pytest.approx(len(named & true) / len(named))
            assert rows[gap(distance), "precision_low"]["value"] <= precision["value"] + 1e-9


def verdict(seed: int, predicted: str, condition: str = STANDARD) -> dict:
    return {
        "method": "l1", "condition": condition, "seed": seed, "child": "c", "predicted": predicted,
        "tied": predicted.count("|") + 1, "parent": "p0", "margin": 1.0,
    }  # fmt: skip


def test_an_edge_is_the_first_split_s_verdict_among_all_candidates():
    outcomes = pd.DataFrame([verdict(3, "p1"), verdict(1, "p0"), verdict(0, "p1", with_count(2))])
    (edge,) = edges(outcomes, {"c": 2}).to_dict("records")
    assert (edge["predicted"], edge["parent"], edge["generation"]) == ("p0", "p0", 2)


def test_a_tie_names_no_parent():
    (edge,) = edges(pd.DataFrame([verdict(0, "p0|p1")]), {"c": 2}).to_dict("records")
    assert pd.isna(edge["predicted"])
