"""A lineage network in figures: its family tree, the places of its models, and whether each was right."""

import json

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from lineage_network import SHARES_RIGHT, edges

from lineage.report.figures.layout import ancestry, circle, family_tree, in_family_order, tree
from lineage.report.figures.network import chord, details, family
from lineage.results.methods import shown_methods


@pytest.fixture(scope="module")
def network() -> pd.DataFrame:
    return pd.DataFrame(edges("run"))


def test_the_family_tree_is_the_true_lineage(network):
    graph = family_tree(network)
    assert nx.is_branching(graph)
    assert graph.number_of_nodes() == 300
    assert nx.number_weakly_connected_components(graph) == 5
    for model, lineage in ancestry(graph).items():
        assert set(lineage) == nx.ancestors(graph, model) | {model}
        assert ".".join(lineage[-1].split(".")[: 2 * len(lineage) - 1]) == model


def test_families_lie_side_by_side_on_the_circle(network):
    graph = family_tree(network)
    order = in_family_order(graph)
    for model in graph:
        places = [order.index(relative) for relative in nx.descendants(graph, model) | {model}]
        assert max(places) - min(places) == len(places) - 1
    places = circle(order)
    assert np.hypot(places["x"], places["y"]).to_numpy() == pytest.approx(1)


def test_leaves_have_rows_of_their_own_and_parents_are_in_the_middle_of_their_children(network):
    graph = family_tree(network)
    places = tree(graph).set_index("model")
    leaves = [model for model in graph if not graph.out_degree(model)]
    assert sorted(places.loc[leaves, "row"]) == list(range(len(leaves)))
    for model in set(graph) - set(leaves):
        assert places.loc[model, "row"] == pytest.approx(
            places.loc[list(graph.successors(model)), "row"].mean()
        )
        assert (
            places.loc[list(graph.successors(model)), "generation"] == places.loc[model, "generation"] + 1
        ).all()


def test_chord_and_tree_tell_each_model_and_whether_it_was_right(network):
    graph, methods = family_tree(network), shown_methods(network["method"])
    assert methods[0] == "detector"
    assert set(methods) == set(SHARES_RIGHT)
    models = details(network, graph, methods)
    right = (
        network.assign(is_right=network["predicted"] == network["parent"]).groupby("method")["is_right"].sum()
    )
    for figure in (
        chord("run", network, graph, models, methods),
        family("run", network, graph, models, methods),
    ):
        verdicts = figure.data.groupby(["method", "verdict"]).size().unstack()
        assert verdicts["right"].to_dict() == right.to_dict()
        assert set(verdicts["root"]) == {5}
        text = json.dumps(figure.specification(), ensure_ascii=False)
        assert "p0 → p0.g2.000 → p0.g2.000.g3.000" in text
        assert len(text) < 2_000_000


def test_ties_and_models_that_nobody_asked_about_are_neither_right_nor_wrong(network):
    mine = network[network["method"] == "detector"].reset_index(drop=True)
    middle = "p0.g2.000"
    asked = mine.assign(predicted=mine["predicted"].where(mine.index != 40, None))
    asked = asked[asked["child"] != middle]
    graph = family_tree(asked)
    assert set(graph.edges) == set(family_tree(network).edges)
    verdicts = details(asked, graph, ["detector"]).set_index("model")["verdict"]
    assert verdicts[middle] == "not asked"
    assert verdicts[mine["child"][40]] == "undecided"
    is_right = asked["predicted"] == asked["parent"]
    assert (verdicts == "right").sum() == is_right.sum()
    assert (verdicts == "wrong").sum() == (~is_right & asked["predicted"].notna()).sum()
